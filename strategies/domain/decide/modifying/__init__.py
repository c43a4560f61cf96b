"""The action modify: which working orders a signal means, what they are to be, and whether that adds risk. Rows M01 to M08."""
