"""`python -m harbench`, and the command `harbench`."""

from harbench.cli.stop import stoppable


def main() -> None:
    """Run the command; Ctrl-C is heard from here on, while the rest is still being imported."""
    with stoppable():
        from harbench.cli.main import main as command

        command()


if __name__ == "__main__":
    main()
