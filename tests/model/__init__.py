"""An obviously simple reference model of the ledger, for the property test to compare the library with."""
