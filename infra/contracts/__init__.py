"""What is generated from the declared feeds: the pages for senders, and the contracts in a standard form."""
