"""Make the pictures of the start page: run panels and tutorials, and keep of each the largest picture that it shows, cut and small, in nbs/start."""
import argparse, base64, io, sys
from pathlib import Path

from PIL import Image

import docs

ROOT = Path(__file__).resolve().parent.parent
WIDTH, SHAPE = 480, 1.6  # pixels; width by height
STATE = 'application/vnd.jupyter.widget-state+json'


def pictures(nb):
    "All pictures of an executed notebook: among its outputs, and those of its widgets."
    for cell in nb.cells:
        for output in cell.get('outputs', ()):
            if 'image/png' in output.get('data', {}): yield base64.b64decode(output.data['image/png'])
    for model in nb.metadata.get('widgets', {}).get(STATE, {}).get('state', {}).values():
        if model['model_name'] == 'ImageModel': yield from (base64.b64decode(buffer['data']) for buffer in model.get('buffers', ()))


def opened(data):
    try: return Image.open(io.BytesIO(data)).convert('RGB')
    except OSError: return None


def small(image, share):
    "The upper left part of a picture, `share` of its width, at the size of a card."
    width = round(image.width * share)
    cut = image.crop((0, 0, width, min(image.height, round(width / SHAPE))))
    return cut.resize((WIDTH, round(WIDTH * cut.height / cut.width)), Image.Resampling.LANCZOS).quantize(128)


def make(path, share):
    found = [image for image in map(opened, pictures(docs.execute(path))) if image]
    if not found: return print(f'{path.name} shows no picture')
    target = ROOT/'nbs/start'/f'{path.stem}.png'
    target.parent.mkdir(exist_ok=True)
    small(max(found, key=lambda image: image.width * image.height), share).save(target, optimize=True)
    print(f'{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes')


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    from laser_lab.workbench.lab import below, pages
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('notebooks', nargs='*', type=Path, help='default: all panels and tutorials')
    parser.add_argument('--share', type=float, default=.7, help='part of the width that is kept (default: %(default)s)')
    options = parser.parse_args()
    for path in options.notebooks or [ROOT/'nbs'/name for name in [*pages(ROOT/'nbs'), *below(ROOT/'nbs', 'tutorials')]]: make(path.resolve(), options.share)
