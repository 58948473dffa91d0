"""The command line: `assay serve`, and every act of the journey as a command that speaks to a server."""
