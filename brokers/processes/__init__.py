"""The long-running loops: lanes that send orders, and the stream that listens."""
