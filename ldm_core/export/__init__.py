"""The model for other programs: each format is one function, which writes into an empty folder."""
