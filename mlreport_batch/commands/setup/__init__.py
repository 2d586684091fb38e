"""What ``init`` needs: its questions, their answers, and what is made of them."""
