"""From a document's export to the HTML of a mail."""
