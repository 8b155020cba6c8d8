"""Rules of the house that a program can check in the notebooks; each function gives what breaks one of them, as lines that name the place."""
import ast, io, json, re, sys, tokenize
from pathlib import Path

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName

import surface

ROOT = Path(__file__).resolve().parent.parent
CODE, WITH_COMMENT = 120, 160  # columns
CLOCKS = {'time', 'perf_counter', 'monotonic', 'process_time', 'thread_time', 'perf_counter_ns', 'monotonic_ns', 'time_ns'}
DURATIONS = {'seconds', 'elapsed', 'duration', 'took', 'slowest'}  # names that say so themselves
KEEPS_DURATIONS = {'float', 'int', 'round', 'min', 'max', 'sum', 'sorted', 'list', 'dict', 'median', 'mean', 'values'}


def notebooks(root=ROOT):
    "Paths of all notebooks, with their cells."
    for path in sorted((root/'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' not in path.parts: yield path, json.loads(path.read_text())['cells']


def source(cell): return ''.join(cell['source'])


def is_code(cell): return cell['cell_type'] == 'code'


def is_exported(cell): return is_code(cell) and re.search(r'^#\s*\|\s*exports?i?\b', source(cell), re.MULTILINE) is not None


def exported_cells(root=ROOT):
    for path, cells in notebooks(root):
        for cell in cells:
            if is_exported(cell): yield path.relative_to(root), cell


def parsed(cell):
    "The syntax tree of a cell, of which magics and shell lines are left out; None where it is not Python."
    lines = ['' if line.lstrip().startswith(('%', '!')) else line for line in source(cell).splitlines()]
    try: return ast.parse('\n'.join(lines))
    except SyntaxError: return None


def comments(text):
    "For each line that ends in a comment, the column where it begins."
    return {token.start[0]: token.start[1] for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT}


def too_long(line, begins):
    "Whether a line has too many columns; `begins`: where its comment does, or None."
    if begins is None or not line[:begins].strip(): return len(line) > CODE
    return len(line[:begins].rstrip()) > CODE or len(line) > WITH_COMMENT


def long_lines(root=ROOT):
    found = []
    for path, cell in exported_cells(root):
        text = source(cell)
        begins = comments(text) if len(text) > CODE else {}
        found += [f'{path} [{cell["id"]}]: {len(line)} columns: {line.strip()[:60]}' for i, line in enumerate(text.split('\n'), 1) if too_long(line, begins.get(i))]
    return found


def texts(node): return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def nodes_outside(tree, function):
    "Statements that raise and f-strings, outside of the function of that name; an f-string inside of a raise counts with it."
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function: continue
        if isinstance(node, (ast.Raise, ast.JoinedStr)): yield node
        else: yield from nodes_outside(node, function)


def composed_refusals(root=ROOT):
    "Messages put together by hand that `laser_lab.config.refusal` composes."
    found = []
    for path, cell in exported_cells(root):
        for node in nodes_outside(parsed(cell) or ast.Module([], []), 'refusal'):
            if any('is not allowed' in text or '; allowed:' in text for text in texts(node)): found.append(f'{path} [{cell["id"]}]: {ast.unparse(node)[:110]}')
    return found


def called(node): return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, 'attr', '')


def asks_clock(node): return any(isinstance(n, ast.Call) and called(n) in CLOCKS for n in ast.walk(node))


def is_duration(node, known):
    "Whether an expression is a difference of two times, or made of names that are, without leaving arithmetic."
    if isinstance(node, ast.Name): return node.id in known | DURATIONS
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and asks_clock(node): return True
    if isinstance(node, ast.Call) and called(node) not in KEEPS_DURATIONS: return False
    return any(is_duration(child, known) for child in ast.iter_child_nodes(node))


def durations(trees):
    "Names to which a duration is assigned."
    known = set()
    while True:
        before = len(known)
        for node in (n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Assign) and is_duration(n.value, known)):
            known |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        if len(known) == before: return known


def limits(node):
    "Comparisons by size with something other than zero."
    for n in ast.walk(node):
        if isinstance(n, ast.Compare) and any(isinstance(op, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)) for op in n.ops):
            if not any(isinstance(side, ast.Constant) and side.value == 0 for side in n.comparators): yield n


def wall_times(root=ROOT):
    "Assertions that compare a measured duration; studies may, with ratios of one run."
    found = []
    for path, cells in notebooks(root):
        if 'studies' in path.parts: continue
        trees = {cell['id']: tree for cell in cells if is_code(cell) and (tree := parsed(cell))}
        known = durations(trees.values())
        for name, node in ((name, node) for name, tree in trees.items() for node in ast.walk(tree) if isinstance(node, ast.Assert)):
            if any(is_duration(limit, known) for limit in limits(node.test)): found.append(f'{path.relative_to(root)} [{name}]: {ast.unparse(node)[:110]}')
    return found


def links(cell):
    "Where the links of a text cell lead, those outside of the checkout and within the page left out."
    places = [] if is_code(cell) else [link.partition('#')[0] for link in re.findall(r'\]\(([^)\s]+)\)', source(cell))]
    return [place for place in places if place and not re.match(r'[a-z]+:', place)]


def dead_links(root=ROOT):
    "Links of a notebook to a place in the checkout where nothing is."
    return [f'{path.relative_to(root)} [{cell["id"]}]: {place}' for path, cells in notebooks(root)
            for cell in cells for place in links(cell) if not (path.parent/place).exists()]


def unlinked(root=ROOT):
    "Notebooks to which the index does not link."
    index, all_of_them = root/'nbs/index.ipynb', {path.resolve(): cells for path, cells in notebooks(root)}
    linked = {(index.parent/place).resolve() for cell in all_of_them[index.resolve()] for place in links(cell)}
    return [f'{path.relative_to(root.resolve())}: a row of nbs/index.ipynb with its folder will list it' for path in all_of_them if path not in linked | {index.resolve()}]


def undefined(root=ROOT):
    "Names of the package that no module defines, since only a hidden cell of their notebook imports them."
    checked = {path: Checker(ast.parse(path.read_text()), str(path)) for path in sorted((root/'laser_lab').rglob('*.py'))}
    return [f'{path.relative_to(root)}:{m.lineno}: {m.message_args[0]}' for path, found in checked.items() for m in found.messages if isinstance(m, UndefinedName)]


RULES = {f'exported lines with more than {CODE} columns of code, {WITH_COMMENT} with its comment': long_lines,
         'messages composed by hand; raise refusal(name, value, allowed) of laser_lab.config': composed_refusals,
         'assertions on wall time': wall_times, 'links that lead nowhere': dead_links, 'notebooks that the index does not link': unlinked,
         'names that are not defined': undefined, 'public names that two modules of a sub-package export': surface.exported_twice}


def broken(root=ROOT):
    "For each rule that is broken, where."
    return {title: found for title, rule in RULES.items() if (found := rule(root))}


if __name__ == '__main__':
    wrong = broken()
    for title, found in wrong.items(): print(f'{len(found)} {title}:', *found, sep='\n  ')
    sys.exit(bool(wrong))
