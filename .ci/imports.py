"""The import graph of the package: arrows run down the floors of the house, and there is no circle.

All imports count, those inside of functions too. A room imports rooms of lower floors; rooms of one floor stand side by side, except on the ground, where only circles are refused.
"""
import ast, sys
from pathlib import Path

import surface

ROOT = Path(__file__).resolve().parent.parent
GROUND = ['config', 'units', 'compiled', 'bits', 'metrics', 'data', 'originals', 'transforms']
FLOORS = [GROUND, ['spectral', 'sparse', 'scattering', 'viz'], ['autoencoders', 'codec'], ['training'], ['workbench'], ['cli']]
NEVER = {('codec', 'sparse')}  # not even by way of other rooms
LIGHT = ['config', 'originals', 'cli']  # modules that load nothing large before it is used
LARGE = {'torch': None, 'torchvision': None, 'numba': [], 'numpy': None, 'scipy': ['sparse.estimator'], 'sklearn': ['sparse.estimator'], 'skimage': [], 'pandas': ['workbench', 'scattering.analysis'],
         'matplotlib': ['viz', 'workbench'], 'ipywidgets': ['workbench'], 'lightning': ['training', 'scattering.phases'], 'hydra': [], 'omegaconf': [], 'compressai': [], 'torchmetrics': [],
         'constriction': [], 'umap': [], 'bjontegaard': [], 'ray': [], 'submitit': []}  # where a library may be imported at module level; None: outside of LIGHT


def room(module): return module.split('.')[0]


def imported(node, module):
    "Dotted names that an import statement of a module asks for, each with the name taken from it."
    if isinstance(node, ast.Import): return [(alias.name, None) for alias in node.names]
    above = [surface.PACKAGE, *module.split('.')][:-node.level] if node.level else []
    origin = '.'.join([*above, *([node.module] if node.module else [])])
    return [(origin, alias.name) for alias in node.names]


def statements(tree, inside=False):
    "All import statements, and whether each stands inside of a function."
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)): yield node, inside
        yield from statements(node, inside or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)))


def home(name, taken, modules, homes):
    "The module of the package that an import leads to, or None."
    if room(name) != surface.PACKAGE: return None
    place = '.'.join([*name.split('.')[1:], *([taken] if taken else [])])
    if place in modules: return place
    package, _, taken = place.rpartition('.')
    return package if package in modules else f'{package}.{homes[package][taken][0]}' if taken in homes.get(package, {}) else None


def read(root):
    "The arrows between modules, and the other libraries that each module imports at its top."
    package = root/surface.PACKAGE
    files = {'.'.join(p.relative_to(package).with_suffix('').parts): p for p in package.rglob('*.py') if not p.stem.startswith('_')}
    homes = {place.name: surface.homes(place) for place in surface.rooms(root)}
    arrows, at_top = {module: set() for module in files}, {module: set() for module in files}
    for module, path in files.items():
        for node, inside in statements(ast.parse(path.read_text())):
            for name, taken in imported(node, module):
                target = home(name, taken, files, homes)
                if target and target != module: arrows[module].add(target)
                if not inside and room(name) in LARGE: at_top[module].add(room(name))
    return arrows, at_top


def circle(arrows):
    "The first circle found, as a path that ends where it began, or None."
    done = set()
    def follow(node, path):
        if node in path: return [*path[path.index(node):], node]
        if node in done: return None
        for target in sorted(arrows.get(node, ())):
            if found := follow(target, [*path, node]): return found
        done.add(node)
    return next((found for node in sorted(arrows) if (found := follow(node, []))), None)


def way(arrows, start, end):
    "The shortest path of arrows from one room into another, or None."
    seen = {module for module in arrows if room(module) == start}
    paths = [[module] for module in sorted(seen)]
    while paths:
        path = paths.pop(0)
        if room(path[-1]) == end: return path
        fresh = sorted(arrows.get(path[-1], set()) - seen)
        seen.update(fresh)
        paths += [[*path, target] for target in fresh]


def between_rooms(arrows):
    found = {}
    for module, targets in arrows.items(): found.setdefault(room(module), set()).update(room(t) for t in targets if room(t) != room(module))
    return found


def uphill(module, target, floor):
    "What is wrong with an arrow between rooms, or ''."
    a, b = room(module), room(target)
    for name in (a, b):
        if name not in floor: return f'{name} has no floor in .ci/imports.py'
    if a == b or floor[b] < floor[a]: return ''
    if floor[a] == floor[b] == 0: return ''
    return f'{a} and {b} stand side by side' if floor[a] == floor[b] else f'{b} stands above {a}'


def faults(root=ROOT):
    "All that is wrong with the import graph, each with the arrow that is."
    arrows, at_top = read(root)
    rooms, floor = between_rooms(arrows), {name: i for i, names in enumerate(FLOORS) for name in names}
    found = [f'{module} -> {target}: {why}' for module, targets in sorted(arrows.items()) for target in sorted(targets) if (why := uphill(module, target, floor))]
    for graph in (arrows, rooms):
        if path := circle(graph): found.append(f'a circle: {" -> ".join(path)}')
    found += [f'{" -> ".join(path)}: {a} needs no {b}' for a, b in sorted(NEVER) if (path := way(arrows, a, b))]
    for module, libraries in sorted(at_top.items()):
        for library in sorted(libraries):
            places = LARGE[library]
            if module in LIGHT or places is not None and not {module, room(module)} & set(places): found.append(f'{module} -> {library}: import it where it is used')
    return found


if __name__ == '__main__':
    if wrong := faults(): sys.exit('\n'.join(wrong))
    print('imports run down, no circle')
