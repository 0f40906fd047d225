"""The worked examples of proto/examples.md, computed step by step with nothing of dsked."""
