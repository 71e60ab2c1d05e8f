"""`python -m harbench`."""

from harbench.cli.main import main

if __name__ == "__main__":
    main()
