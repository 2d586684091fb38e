"""The Google engine: documents merged and exported, and mails through Gmail."""
