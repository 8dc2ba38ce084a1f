"""What people hear of wherever they are: notices of the ledger, sent to the channels that an operator has declared."""
