"""What our own mistakes look like when one message cannot be made: it must not take the kill switch with it.

A message that always fails would end the process at every start. Where one is made, these are caught, logged with their
traceback, and the message is given up. Everything else still ends the process.
"""

NOT_MADE = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError)
