"""TensorFlow's checkpoints, the form in which OpenAI published GPT-2."""
