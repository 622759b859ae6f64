"""What a trace looks like: pictures in a notebook or a terminal, and a page in a browser."""
