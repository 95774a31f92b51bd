"""Run the examples: ``python main.py --help``. The program itself is `kaygraph_viz.cli.main`."""

import sys

from kaygraph_viz.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
