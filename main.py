"""Run the examples: ``python main.py --help``. The program itself is `kaygraph_viz.cli.main`."""

import sys

try:
    from kaygraph_viz.__main__ import main
except KeyboardInterrupt:  # from then on it is taken care of there
    sys.exit(130)

if __name__ == "__main__":
    sys.exit(main())
