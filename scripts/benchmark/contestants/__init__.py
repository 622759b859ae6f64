"""What each contestant does in one measured run, a file for each kind of benchmark."""
