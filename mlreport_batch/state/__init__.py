"""What is kept between ticks: the state file, and the spool of mails."""
