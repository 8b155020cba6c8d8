"""Build the documentation into _docs: the notebooks executed, with their outputs and pictures, and a page for the public names of each module.

Notebooks become Markdown by nbconvert, Markdown becomes a site by MkDocs; nothing is fetched from the network, neither now nor by the reader's browser.
"""
import argparse, importlib, inspect, json, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from configparser import ConfigParser
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import nbformat
from fastcore.docments import DocmentTbl
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbdev.process import NBProcessor
from nbdev.processors import clean_magics, hide_
from traitlets.config import Config

import docs_check, imports, rules, surface, tidy

ROOT = Path(__file__).resolve().parent.parent
SITE = ROOT/'_docs'
WIDGET = 'application/vnd.jupyter.widget-view+json'
INTERACTIVE = '*Here stands a control panel; run the notebook in JupyterLab to use it.*'
TEMPLATE = '''{% extends 'markdown/index.md.j2' %}
{% block stream %}{{ output.text | strip_ansi | as_output }}{% endblock %}
{% block data_text %}{{ output.data['text/plain'] | strip_ansi | as_output }}{% endblock %}'''
CSS = '''.md-grid { max-width: 74rem }
.md-typeset pre > code { font-size: .64rem; line-height: 1.5 }
.md-typeset .output pre > code { background: none; border-left: .15rem solid var(--md-accent-fg-color); padding: .2rem .8rem; max-height: 24rem }
.md-typeset img { display: block; margin: auto; background: white; border-radius: .2rem }
.md-typeset table:not([class]), .md-typeset table.dataframe { font-size: .64rem }
.md-typeset mjx-container { overflow-x: auto; overflow-y: hidden }
.md-typeset details { font-size: .64rem; box-shadow: none }
'''
MATHJAX = '''window.MathJax = {tex: {inlineMath: [["\\\\(", "\\\\)"]], displayMath: [["\\\\[", "\\\\]"]], processEscapes: true, processEnvironments: true},
  options: {ignoreHtmlClass: ".*", processHtmlClass: "arithmatex", enableMenu: false}};
'''


def settings():
    parser = ConfigParser(delimiters=['='], interpolation=None)
    parser.read(ROOT/'settings.ini', encoding='utf-8')
    return parser['DEFAULT']


def notebooks(): return [path for path, _ in rules.notebooks(ROOT)]


def chosen(path, only):
    "Whether a notebook is executed; `only`: folders or names in nbs/, none of them for all."
    return not only or path.stem in only or path.parent.name in only


# Notebooks

def execute(path):
    "The notebook with its outputs, made by a fresh kernel in its own folder."
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        if re.search(r'^#\s*\|\s*eval:\s*false', cell.source, re.MULTILINE): cell.metadata.tags = ['skip-execution']
    client = NotebookClient(nb, timeout=1800, kernel_name='python3', resources={'metadata': {'path': str(path.parent)}})
    try: client.execute()
    except Exception as error: raise RuntimeError(f'{path.relative_to(ROOT)} does not run: {error}') from None
    print(f'executed {path.relative_to(ROOT)}', flush=True)
    return nb


def executed(paths, workers=2):
    "Each of the notebooks with its outputs."
    os.environ.pop('MPLBACKEND', None)  # figures are drawn into the notebook
    os.environ['PYTHONPATH'] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    with ThreadPoolExecutor(workers) as pool: return dict(zip(paths, pool.map(execute, paths)))


def no_module_line(cell):
    "The line that names the module says nothing to a reader."
    cell.source = re.sub(r'^#\s*\|\s*default_exp.*\n?', '', cell.source, flags=re.MULTILINE)
    if not cell.source.strip(): del cell['source']


def hide_input(cell):
    "Of a cell with `echo: false` or `hide_input` only the output is shown."
    if cell.cell_type == 'code' and 'hide_input' in cell.directives_: cell.metadata = {'tags': ['output_only']}
    tidy.echo_false(cell)


def shown_outputs(outputs):
    "Outputs for a page: no widgets, no messages of the machine, no style sheets of tables."
    kept = [output for output in outputs if output.get('name') != 'stderr']
    for output in kept:
        data = output.get('data', {})
        if data.pop(WIDGET, None): data.clear(), data.update({'text/markdown': INTERACTIVE})
        if 'text/html' in data: data['text/html'] = re.sub(r'<style scoped>.*?</style>', '', data['text/html'], flags=re.DOTALL)
    return kept


def as_output(text): return f'\n<div class="output" markdown>\n\n``````text\n{text.rstrip()}\n``````\n\n</div>\n' if text.strip() else ''


def list_apart(text):
    "A list after a paragraph gets the empty line that MkDocs needs."
    return re.sub(r'^(?!\s*(?:[-*+]|\d+\.)\s)(.*\S.*)\n(?=(?:[-*+]|\d+\.)\s)', r'\1\n\n', text, flags=re.MULTILINE)


def slug(anchor): return re.sub(r'[-\s]+', '-', re.sub(r'[^\w\s-]', '', anchor).strip().lower())


def relink(text, path):
    "Links between notebooks become links between pages, links to other files lead to the repository."
    def replaced(match):
        place, _, anchor = match[1].partition('#')
        target = (path.parent/place).resolve()
        if not place or re.match(r'[a-z]+:', place) or not target.exists(): return match[0]
        if target.suffix != '.ipynb': return f']({settings()["git_url"]}/blob/{settings()["branch"]}/{target.relative_to(ROOT).as_posix()})'
        page = os.path.relpath(target.with_suffix('.md'), path.parent)
        return f']({PurePosixPath(page)}{"#" + slug(anchor) if anchor else ""})'
    def named(match):
        target = ROOT/match[1]
        return f'[`{match[1]}`]({PurePosixPath(os.path.relpath(target.with_suffix(".md"), path.parent))})' if target.exists() else match[0]
    text = re.sub(r'\]\(([^)\s]+)\)', replaced, text)
    return re.sub(r'(?<!\[)`(nbs/[\w/]+\.ipynb)`', named, text)


def fold_tests(cells):
    "Longer cells of assertions open with a click."
    from laser_lab.workbench.lab import is_test
    for cell in cells:
        folds = cell.cell_type == 'code' and not cell.source.startswith('#') and is_test(cell.source)
        around = map(nbformat.v4.new_markdown_cell, ['<details markdown>\n<summary>tests</summary>\n', '</details>'])
        yield from [next(around), cell, next(around)] if folds else [cell]


def write_page(nb, path, target):
    "One notebook as Markdown with its pictures beside it."
    nb.cells = list(fold_tests(nb.cells))
    for cell in nb.cells:
        if cell.cell_type == 'code': cell.outputs = shown_outputs(cell.outputs)
        else: cell.source = relink(list_apart(cell.source), path)
    with tempfile.NamedTemporaryFile('w', suffix='.ipynb') as file:
        file.write(nbformat.writes(nb))
        file.flush()
        processed = NBProcessor(file.name, procs=[hide_, hide_input, clean_magics, no_module_line])
        processed.process()
    processed.nb.metadata['language_info'] = {'name': 'python'}
    hidden = {'TagRemovePreprocessor': {'enabled': True, 'remove_input_tags': ['output_only']}}
    exporter = MarkdownExporter(config=Config(hidden), raw_template=TEMPLATE, filters={'as_output': as_output})
    text, resources = exporter.from_notebook_node(nbformat.reads(json.dumps(processed.nb, default=dict), as_version=4),
                                                  resources={'output_files_dir': f'{path.stem}_files', 'unique_key': path.stem})
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.replace('![png]', '![figure]'))
    for name, data in resources.get('outputs', {}).items():
        (target.parent/name).parent.mkdir(exist_ok=True)
        (target.parent/name).write_bytes(data)


# Public names

def signature(item):
    "Names and defaults; types stand in the table."
    try: parameters = inspect.signature(item).parameters.values()
    except (TypeError, ValueError): return ''
    shown = [str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters]
    return re.sub(r' at 0x[0-9a-f]+', '', f'({", ".join(shown)})')


def table(item):
    try: return DocmentTbl(item)._repr_markdown_()
    except Exception: return ''  # nothing documented, or not written in Python


def entry(name, item, level=2):
    "Signature, docstring and table of a function or class, and below it the methods of a class."
    lines = [f'{"#" * level} {name}', f'```python\n{name}{signature(item)}\n```', inspect.getdoc(item) or '', table(item)]
    if inspect.isclass(item):
        own = [(key, value) for key, value in vars(item).items() if not key.startswith('_') and inspect.isfunction(value) and value.__doc__]
        lines += [f'- `{key}{signature(value)}`: {inspect.getdoc(value).splitlines()[0]}' for key, value in own]
    return '\n\n'.join(line for line in lines if line) if level == 2 else ''


def constants(items):
    rows = [f'| `{name}` | `{shortened(value)}` |' for name, value in items]
    return '\n'.join(['## Constants', '', '| name | value |', '|---|---|', *rows]) if rows else ''


def shortened(value): return re.sub(r'[|`\n]|\s+', ' ', repr(value))[:80]


def api_page(name, page):
    "All that a module offers."
    module = importlib.import_module(f'{surface.PACKAGE}.{name}')
    items = [(key, getattr(module, key)) for key in module.__all__]
    described = [(key, item) for key, item in items if inspect.isclass(item) or inspect.isroutine(item) or hasattr(item, 'py_func')]
    rest = [pair for pair in items if pair not in described]
    notebook = re.search(r'File to edit: \.\./(?:\.\./)?nbs/(\S+)\.ipynb', inspect.getsource(module))
    lines = [f'# {name}', module.__doc__ or '']
    if notebook: lines.append(f'Defined, explained and tested in [{notebook[1]}.ipynb]({"../" + notebook[1]}.md).')
    lines += [*(entry(key, getattr(item, 'py_func', item)) for key, item in described), constants(rest)]
    page.parent.mkdir(exist_ok=True)
    page.write_text('\n\n'.join(line for line in lines if line) + '\n')


# Site

def exported_module(path):
    found = re.search(r'default_exp ([\w.]+)', path.read_text())
    return found[1] if found else None


def navigation(paths, modules):
    "Studies first, then tutorials, then the rooms by floor, then all public names."
    pages = {path: path.relative_to(ROOT/'nbs').with_suffix('.md').as_posix() for path in paths}
    def of(folder): return [page for page in pages.values() if PurePosixPath(page).parts[0] == folder]
    single = [path for path in paths if path.parent.name == 'nbs' and path.stem != 'index']
    above = [pages[path] for path in single if imports.room(exported_module(path) or '') not in ['', *imports.GROUND]]
    sections = [{'Ground': [pages[path] for path in single if pages[path] not in above]}]
    sections += [{room.capitalize(): of(room)} for rooms in imports.FLOORS for room in rooms if of(room)]
    nav = [{'Home': 'index.md'}, {'Studies': of('studies')}, {'Tutorials': of('tutorials')}, {'Notebooks': [*sections, *above]},
           {'Public names': [{name: f'api/{name}.md'} for name in modules]}]
    return [entry for entry in nav if all(entry.values())]


def mathjax():
    "MathJax in one file, from the package that carries it."
    return Path(find_spec('mathjax').origin).parent/'static/mathjax/es5/tex-svg.js'


def build(only, none, site):
    "The whole site; raises what is wrong."
    paths = notebooks()
    made = {} if none else executed([path for path in paths if chosen(path, only)])
    modules = sorted(imports.read(ROOT)[0])
    with tempfile.TemporaryDirectory() as folder:
        docs = Path(folder)/'docs'
        (docs/'extra').mkdir(parents=True)
        for path in paths: write_page(made.get(path) or nbformat.read(path, as_version=4), path, docs/path.relative_to(ROOT/'nbs').with_suffix('.md'))
        for name in modules: api_page(name, docs/f'api/{name}.md')
        shutil.copy(mathjax(), docs/'extra')
        (docs/'extra/laser_lab.css').write_text(CSS)
        (docs/'extra/mathjax.js').write_text(MATHJAX)
        config = dict(INHERIT=str(ROOT/'.ci/mkdocs.yml'), docs_dir=str(docs), site_dir=str(site), site_url=f'{settings()["doc_host"]}{settings()["doc_baseurl"]}/',
                      extra={'social': [{'icon': 'fontawesome/brands/github', 'link': settings()['git_url']}]}, nav=navigation(paths, modules))
        (Path(folder)/'mkdocs.yml').write_text(json.dumps(config))  # JSON is YAML
        command = [sys.executable, '-m', 'mkdocs', 'build', '--quiet', '--clean', '-f', f'{folder}/mkdocs.yml']
        subprocess.run(command, check=True, env=os.environ | {'NO_MKDOCS_2_WARNING': '1'})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', default=[], help='execute only these folders or notebooks of nbs/, e.g. index tutorials studies; show the others as they are stored')
    parser.add_argument('--none', action='store_true', help='execute nothing')
    parser.add_argument('--site', type=Path, default=SITE, help='folder of the site (default: %(default)s)')
    parser.add_argument('--screenshots', type=Path, help='folder for screenshots of three pages (default: a new temporary one)')
    options = parser.parse_args()
    try: build(options.only, options.none, options.site)
    except (RuntimeError, subprocess.CalledProcessError) as error: sys.exit(f'documentation: {error}')
    docs_check.run(options.site, options.screenshots)


if __name__ == '__main__': main()
