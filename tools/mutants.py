"""Break the code in small ways, and see whether the tests notice.

``python tools/mutants.py -n 50 state`` clones HEAD into a temporary folder, makes 50
random changes there, one at a time, in the modules of one group (all groups without a
name), and runs the tests that are about them. It needs ``pip install cosmic-ray``,
which knows the changes: another operator or number, a condition turned round, a loop
that never runs, an exception that is not caught. Places are drawn evenly, then one of
the changes that are possible there.

What survives is printed with its diff. It means a missing test, or a change that
makes no difference, which only a person can tell.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
TIMEOUT_S = 400.0

# What is changed, and the tests that should notice, the quick ones first.
GROUPS = {
    "state": (
        "state/*",
        "dispatch state_damage catalog idle state_machine owed tick",
    ),
    "spool": (
        "state/spool deliver/dispatch commands/owed tick/*",
        "dispatch tick owed state_damage outbox cli",
    ),
    "send": (
        "render/mail deliver/outbox deliver/sendmail deliver/smtp/*",
        "outbox sendmail mail smtp dispatch",
    ),
    "read": (
        "read/**/* safety/yaml/* formats/**/*",
        "tail yaml formats_* fold log run limits bulk inspect_truth tick",
    ),
}
# Those that make no difference where they can stand: `==` for `is` between small
# numbers, and `|` between the types of an annotation.
LEFT_OUT = ("BitOr_", "Eq_Is", "Eq_IsNot", "NotEq_Is", "NotEq_IsNot")


def places(modules: list[Path]) -> list[list[tuple[Path, str, int]]]:
    """Return all places that can be changed, each with its changes."""
    from cosmic_ray.ast import ast_nodes, get_ast_from_path
    from cosmic_ray.plugins import get_operator, operator_names

    found: dict[tuple[Path, tuple[int, int]], list[tuple[Path, str, int]]]
    found = defaultdict(list)
    for module in modules:
        tree = get_ast_from_path(module)
        for name in operator_names():
            operator = get_operator(name)
            if operator.arguments() or any(part in name for part in LEFT_OUT):
                continue
            spots = (
                start
                for node in ast_nodes(tree)
                for start, _ in operator().mutation_positions(node)
            )
            for occurrence, start in enumerate(spots):
                found[module, start].append((module, name, occurrence))
    return [found[key] for key in sorted(found)]


def main() -> int:
    """Draw, change, test, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--count", type=int, default=25, help="a group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("groups", nargs="*", default=list(GROUPS))
    arguments = parser.parse_args()
    try:
        from cosmic_ray.mutating import mutate_and_test
        from cosmic_ray.work_item import MutationSpec, TestOutcome
    except ImportError:
        parser.error("pip install cosmic-ray")
    killed = tried = 0
    with tempfile.TemporaryDirectory(prefix="mlreport-mutants-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        os.chdir(clone)
        os.environ["PYTHONPATH"] = str(clone)
        for group in arguments.groups:
            names, tests = GROUPS[group]
            modules = [
                path
                for name in names.split()
                for path in sorted(Path("mlreport_batch").glob(f"{name}.py"))
            ]
            quick_first = [
                str(path)
                for name in tests.split()
                for path in sorted(Path("tests").rglob(f"test_{name}.py"))
            ]
            command = f"{sys.executable} -m pytest -q -x -p no:cacheprovider "
            command += " ".join(quick_first)
            chance = random.Random(f"{arguments.seed} {group}")
            known = places(modules)
            for changes in chance.sample(known, min(arguments.count, len(known))):
                module, operator, occurrence = chance.choice(changes)
                spec = MutationSpec(module, operator, occurrence, (0, 0), (0, 1))
                result = mutate_and_test([spec], command, TIMEOUT_S)
                if result.test_outcome is TestOutcome.INCOMPETENT:
                    raise RuntimeError(result.output)
                tried += 1
                is_killed = result.test_outcome is TestOutcome.KILLED
                killed += is_killed
                what = operator.removeprefix("core/")
                print(f"{'killed' if is_killed else 'SURVIVED'} {module} {what}")
                if not is_killed:
                    print(result.diff)
                print(f"  {group}: {killed} of {tried} killed", flush=True)
            print(f"{group}: {len(known)} places in {len(modules)} modules")
    return 0


if __name__ == "__main__":
    sys.exit(main())
