"""The beginning of a text that a spreadsheet would take for a formula.

`write_csv` puts an apostrophe in front of such a text, and of one that already has an apostrophe there, so that
`read_csv` can take exactly one away again: the two are each other's inverse.
"""

# Both Python's re and Arrow's RE2 read this alike; the full-width signs are formulas to some versions of Excel.
FORMULA = "[ \t\r\n\u00a0']*[=+\\-@\t\r\n＝＋－＠]"
