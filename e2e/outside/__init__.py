"""What the tests see the product with: its command, its HTTP API, and the machine it runs on."""
