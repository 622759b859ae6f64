"""Sizes and recipes for an occasion, by name: ``--preset class``."""

# In a lesson: within two minutes on two slow processors, a text of 50 to 500 KB becomes a model
# that writes readable words, and the class sees it come about in reports five seconds apart. Many
# small steps get further in the time than few large ones; with 1,024 tokens most words are whole.
PRESETS: dict[str, dict[str, int | float]] = {
    "class": {
        "n_vocab": 1024,
        "n_ctx": 128,
        "n_embd": 128,
        "n_head": 4,
        "n_layer": 2,
        "minutes": 2.0,
        "batch": 2,
        "learning_rate": 5e-3,
        "report_seconds": 5.0,
    },
}
