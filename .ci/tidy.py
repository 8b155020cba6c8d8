"""Put notebooks, package and README.md in step, or check with --check that they are.

Notebooks: no run-time metadata, no widget state, outputs only in index and studies. Package: what nbdev exports. README.md: nbs/index.ipynb without Quarto.
"""
import argparse, filecmp, json, shutil, subprocess, sys, tempfile
from pathlib import Path

import nbformat
from traitlets.config import Config
from nbconvert import MarkdownExporter
from nbdev.clean import clean_nb
from nbdev.process import NBProcessor
from nbdev.processors import clean_magics, hide_

ROOT = Path(__file__).resolve().parent.parent
IMAGES = Path('.github/images')


def keeps_outputs(path): return path.name == 'index.ipynb' or 'studies' in path.parts


def clean_text(path):
    "The notebook as it should be stored."
    nb = nbformat.read(path, as_version=4)
    clean_nb(nb, clear_all=not keeps_outputs(path.relative_to(ROOT)))
    nb.metadata = {'kernelspec': {'display_name': 'python3', 'language': 'python', 'name': 'python3'}}
    for cell in nb.cells:
        cell.metadata = {}
        if cell.cell_type != 'code': continue
        cell.execution_count = None
        for output in cell.outputs:
            if 'metadata' in output: output.metadata = {}
            if 'execution_count' in output: output.execution_count = None
            output.get('data', {}).pop('application/vnd.jupyter.widget-view+json', None)
    return nbformat.writes(nb).rstrip('\n') + '\n'


def echo_false(cell):
    "Quarto's directive for cells of which only the output is shown."
    if cell.cell_type == 'code' and 'false' in cell.directives_.get('echo:', []): cell.metadata = {'tags': ['output_only']}


def readme_files():
    "README.md and its pictures, from index.ipynb."
    output_only = {'TagRemovePreprocessor': {'enabled': True, 'remove_input_tags': ['output_only']}}
    nb = NBProcessor(str(ROOT/'nbs/index.ipynb'), procs=[hide_, echo_false, clean_magics])
    nb.process()
    nb.nb.metadata['language_info'] = {'name': 'python'}
    text, resources = MarkdownExporter(config=Config(output_only)).from_notebook_node(nbformat.reads(json.dumps(nb.nb, default=dict), as_version=4),
                                                            resources={'output_files_dir': '.', 'unique_key': 'index'})
    files = {}
    for name, data in resources.get('outputs', {}).items():
        target = IMAGES/Path(name).name
        text = text.replace(f']({name})', f']({target.as_posix()})').replace(f'](./{Path(name).name})', f']({target.as_posix()})')
        files[target] = data
    text = text.replace('![png]', '![figure of nbs/index.ipynb]')
    note = '<!-- Made from nbs/index.ipynb by .ci/tidy.py; edit the notebook. -->\n\n'
    lines = [line.rstrip() for line in text.splitlines()]
    body = '\n'.join(line for i, line in enumerate(lines) if line or (i and lines[i - 1]))
    return {Path('README.md'): (note + body.strip() + '\n').encode(), **files}


def exported(folder):
    "Export the notebooks of a copy of the checkout into its package."
    subprocess.run([str(Path(sys.executable).parent/'nbdev_export')], cwd=folder, check=True)


def differing(a, b):
    "Relative paths of Python files that differ between two packages."
    names = {p.relative_to(x) for x in (a, b) for p in x.rglob('*.py')}
    return sorted(str(n) for n in names if not ((a/n).exists() and (b/n).exists() and filecmp.cmp(a/n, b/n, shallow=False)))


def check():
    wrong = []
    for path in sorted((ROOT/'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' not in path.parts and path.read_text() != clean_text(path): wrong.append(f'{path.relative_to(ROOT)} is not clean')
    with tempfile.TemporaryDirectory() as d:
        for name in ('nbs', 'settings.ini', 'setup.py', 'README.md'):
            (shutil.copytree if (ROOT/name).is_dir() else shutil.copy)(ROOT/name, Path(d)/name)
        exported(d)
        wrong += [f'laser_lab/{name} is not what the notebooks export' for name in differing(ROOT/'laser_lab', Path(d)/'laser_lab') if name != '__init__.py']
    made = readme_files()
    for name, data in made.items():
        if not (ROOT/name).exists() or (ROOT/name).read_bytes() != data: wrong.append(f'{name} is not what nbs/index.ipynb says')
    stale = {p.relative_to(ROOT) for p in (ROOT/IMAGES).glob('*')} - set(made)
    return wrong + [f'{name} belongs to no notebook' for name in sorted(stale)]


def mend():
    for path in sorted((ROOT/'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' not in path.parts: path.write_text(clean_text(path))
    exported(ROOT)
    shutil.rmtree(ROOT/IMAGES, ignore_errors=True)
    for name, data in readme_files().items():
        (ROOT/name).parent.mkdir(parents=True, exist_ok=True)
        (ROOT/name).write_bytes(data)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--check', action='store_true', help='change nothing; exit 1 and name what is out of step')
    if not parser.parse_args().check: mend()
    elif wrong := check(): sys.exit('\n'.join([*wrong, 'mend with: python .ci/tidy.py']))
