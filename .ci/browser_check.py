#!/usr/bin/env python3
"""Come in by the front door and use what is there as a person would, in a browser, with keyboard and mouse.

`laser-lab lab` under headless Chromium: the start page; the bench, which trains a tiny ablation while its kernel is killed; and every panel, of which all cells are run, a slider is moved, another choice made. Then `laser-lab app`, the same panels without code.
After each step the picture must have changed, and no cell, page or console may report an error. Screenshots of every step go to --screenshots. Exit status 0 if all is well, otherwise 1 and one line that says what is not.
"""
import argparse, json, os, re, secrets, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error as BrowserError, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
LASER_LAB = [sys.executable, '-c', 'from laser_lab.cli import main; main()']
PANELS, BENCH = 'workbench/explorers', 'workbench/ablation_bench.ipynb'
ERRORS = '[data-mime-type="application/vnd.jupyter.stderr"], [data-mime-type="application/vnd.jupyter.error"], .laser-lab-failure b'
PICTURE = '.jp-OutputArea-output .widget-image'

class Failed(Exception):
    "A step did not have the effect it must have."

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def write_kernel(folder):
    "The kernel `python3` is the interpreter that runs this check, whatever else the machine has."
    spec = folder/'data/kernels/python3'
    spec.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    (spec/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='python3', language='python')))

def isolated(folder):
    "Environment in which Jupyter reads and writes no settings but its own here, as for somebody who starts it for the first time."
    write_kernel(folder)
    places = dict(JUPYTER_CONFIG_DIR='config', JUPYTER_DATA_DIR='data', JUPYTER_RUNTIME_DIR='runtime', JUPYTERLAB_SETTINGS_DIR='settings', JUPYTERLAB_WORKSPACES_DIR='workspaces',
                  IPYTHONDIR='ipython')
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    return os.environ | dict(PYTHONPATH=path) | {name: str(folder/place) for name, place in places.items()}

@contextmanager
def serving(folder, log, *words, ask='/', token=''):
    "`laser-lab` with these words, in a folder of its own; gives the address, and stops it in any case."
    port, place = free_port(), folder/'work'
    place.mkdir(exist_ok=True)
    with open(log, 'w') as file:
        process = subprocess.Popen([*LASER_LAB, *words, f'--port={port}'], env=isolated(folder), cwd=place, stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for_server(process, f'http://127.0.0.1:{port}{ask}?token={token}', log)
            yield f'http://127.0.0.1:{port}'
        finally:
            process.terminate()
            try: process.wait(15)
            except subprocess.TimeoutExpired: process.kill()

def lab(folder, log, token):
    "JupyterLab on a copy of the notebooks."
    options = ['--no-browser', '--allow-root', '--ip=127.0.0.1', '--ServerApp.port_retries=0', f'--IdentityProvider.token={token}']
    return serving(folder, log, 'lab', *options, ask='/api/status', token=token)

def wait_for_server(process, address, log, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None: raise Failed(f'the server stopped with status {process.returncode}; see {log}')
        try: return urllib.request.urlopen(address, timeout=2).close()
        except (urllib.error.URLError, OSError): time.sleep(.2)
    raise Failed(f'the server did not answer within {seconds} s; see {log}')

def picture(page):
    "A digest of the pixels on the screen, '' while there is none; pictures on a tab behind another do not count."
    return page.evaluate('''async selector => {
        const image = Array.from(document.querySelectorAll(selector)).find(found => found.offsetParent);
        if (!image || !image.complete || !image.naturalWidth) return '';
        const data = await (await fetch(image.src)).arrayBuffer();
        const digest = await crypto.subtle.digest('SHA-256', data);
        return Array.from(new Uint8Array(digest).slice(0, 6), byte => byte.toString(16).padStart(2, '0')).join('');
    }''', PICTURE)

def check_errors(page, step):
    found = [text.strip() for text in page.locator(ERRORS).all_inner_texts() if text.strip()]
    if found: raise Failed(f'{step}: a cell or the panel reports: {found[0][:300]}')

def wait_for_picture(page, before, step, seconds=30):
    "The new picture, once it has stayed the same for a second with the kernel idle."
    deadline, last, since = time.monotonic() + seconds, before, time.monotonic()
    while time.monotonic() < deadline:
        check_errors(page, step)
        try: now = picture(page)
        except BrowserError: now = ''  # the image was exchanged while it was read
        if now != last: last, since = now, time.monotonic()
        if last not in ('', before) and time.monotonic() - since > 1 and idle(page).count(): return last
        page.wait_for_timeout(100)
    raise Failed(f'{step}: the picture did not change within {seconds} s')

def idle(page): return page.get_by_text('| Idle') if '/lab/' in page.url else page.locator('body')  # the app shows no state of its kernel

def run_all(page):
    page.wait_for_selector('.jp-Notebook .jp-CodeCell', timeout=60_000)
    idle(page).first.wait_for(timeout=60_000)  # earlier, Run All is dropped without a word
    page.get_by_role('menuitem', name='Run', exact=True).click()
    page.get_by_text('Run All Cells', exact=True).click()

def move_slider(page):
    handle = page.locator('.noUi-handle').first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(2): page.keyboard.press('ArrowRight')

def change_method(page):
    page.locator('.widget-dropdown', has_text='method').locator('select').select_option('residual VQ')

def drag_radius(page):
    "The button stays down: the picture must follow the hand."
    handle = page.locator('.noUi-handle').first
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    page.mouse.move(box['x'] + box['width']/2, box['y'] + box['height']/2)
    page.mouse.down()
    page.mouse.move(box['x'] + 60, box['y'] + box['height']/2, steps=8)

def release_and_change_photograph(page):
    page.mouse.up()
    page.locator('.widget-dropdown', has_text='photo').locator('select').select_option('chelsea')

def fewer_directions(page):
    handle = page.locator('.noUi-handle').first
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(4): page.keyboard.press('ArrowLeft')

def read_fewer_steps(page):
    "The last slider goes through the steps of the decoder."
    handle = page.locator('.noUi-handle').last
    handle.scroll_into_view_if_needed()
    handle.focus()
    for _ in range(5): page.keyboard.press('ArrowLeft')

def zero_the_unknown(page): page.locator('.widget-dropdown', has_text='unknown').locator('select').select_option('zero')

def fewer_levels(page):
    handle = page.locator('.noUi-handle').first
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press('ArrowLeft')

def change_wavelet(page): page.locator('.widget-dropdown', has_text='wavelet').locator('select').select_option('haar')

def press_clear(page): page.get_by_role('button', name='clear history').click()

def open_bands(page): page.get_by_role('tab', name='bands of a codec').click()

def switch_off_hh(page): page.locator('.widget-checkbox', has_text='hh').locator('visible=true').locator('input').click()

def open_attention(page): page.get_by_role('tab', name='attention to LL').click()

def click_a_place(page):
    "A cell of the photograph, with the mouse: the button over it must take the click."
    places = page.locator('.laser-lab-places').locator('visible=true')
    places.scroll_into_view_if_needed()
    box = places.bounding_box()
    page.mouse.click(box['x'] + .3*box['width'], box['y'] + .2*box['height'])

def press_reconstruct(page): page.get_by_role('button', name='reconstruct').click()

PAGES = {
    'bottleneck_explorer.ipynb': {'run all cells': run_all, 'move a slider': move_slider, 'change the method': change_method},
    'frequency_explorer.ipynb': {'run all cells': run_all, 'drag the radius': drag_radius, 'change the photograph': release_and_change_photograph},
    'scattering_explorer.ipynb': {'run all cells': run_all, 'fewer directions': fewer_directions, 'reconstruct': press_reconstruct},
    'codec_explorer.ipynb': {'run all cells': run_all, 'read fewer steps': read_fewer_steps, 'zero the unknown': zero_the_unknown, 'change the photograph': release_and_change_photograph},
    'wavelet_explorer.ipynb': {'run all cells': run_all, 'change the wavelet': change_wavelet, 'fewer levels': fewer_levels, 'clear the history': press_clear,
                               'change the photograph': release_and_change_photograph, 'open the attention': open_attention, 'click a place': click_a_place,
                               'open the bands of a codec': open_bands, 'switch HH off': switch_off_hh}}

def wait(page): "The app runs all cells by itself."

APP = {'frequency_explorer.ipynb': {'open': wait, 'drag the radius': drag_radius, 'change the photograph': release_and_change_photograph},
       'codec_explorer.ipynb': {'open': wait, 'read fewer steps': read_fewer_steps}}
START = '.jp-MarkdownViewer'
GONE = 'widget model not found'  # JupyterLab's word for stored widgets whose kernel was killed
SIZES = (1400, 900), (1000, 700)
OURS = r'(https?|wss?)://127\.0\.0\.1[:/]|(data|blob|about):'  # addresses that a page may ask

def take_screenshot(page, path):
    "The page with the whole picture in view, if there is one."
    shown = page.locator(PICTURE).locator('visible=true')
    if shown.count(): shown.first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=path)

def drive(page, name, steps, screenshots, prefix=''):
    "All steps of a page in order, each with its time."
    began, last, title = time.monotonic(), '', prefix + name.split('_')[0]
    for number, (step, action) in enumerate(steps.items()):
        try:
            action(page)
            last = wait_for_picture(page, last, f'{title}, {step}', 300 if number == 0 else 120)
            check_errors(page, f'{title}, {step}')
        finally: take_screenshot(page, screenshots/f'{title}_{number}_{step.replace(" ", "_")}.png')
        print(f'{time.monotonic() - began:5.1f} s  {title}, {step}: picture {last}', flush=True)

def check_cards(page, links, step):
    "As many cards as panels at least, each with a picture that is shown, and nothing that pops up."
    page.wait_for_selector(links, timeout=60_000)
    page.wait_for_timeout(2_000)
    found, pictures = page.locator(links).count(), page.locator(f'{links} img')
    if found < len(PAGES): raise Failed(f'{step}: {found} cards, expected {len(PAGES)} or more')
    empty = pictures.evaluate_all('images => images.filter(image => !image.naturalWidth).map(image => image.alt)')
    if empty or pictures.count() < len(PAGES): raise Failed(f'{step}: cards without a picture: {empty}')
    if page.locator('.jp-Dialog, .Toastify__toast').locator('visible=true').count(): raise Failed(f'{step}: something pops up')

def check_start(page, address, token, screenshots):
    "The start page of JupyterLab at two sizes, and a click on a card."
    began = time.monotonic()
    page.goto(f'{address}/?token={token}')
    check_cards(page, f'{START} a:has(img)', 'the start page')
    for width, height in SIZES:
        page.set_viewport_size(dict(width=width, height=height))
        page.wait_for_timeout(500)
        page.screenshot(path=screenshots/f'start_{width}.png')
    page.set_viewport_size(dict(zip(('width', 'height'), SIZES[0])))
    page.locator(f'{START} a', has_text='Frequency explorer').click()
    page.wait_for_selector('.jp-Notebook .jp-CodeCell')
    print(f'{time.monotonic() - began:5.1f} s  the start page', flush=True)

def open_bench(page, address, token):
    page.goto(f'{address}/lab/tree/{BENCH}?reset&token={token}')
    run_all(page)

def plan_ablation(page):
    "Another value is another setting, while one types."
    values = page.get_by_label('model.sparsity_level', exact=True)
    for text, wanted in {'2, 4, 8': '3 settings', '2, 4': '2 settings'}.items(): type_value(page, values, text, f'{wanted} x 3 seeds')
    page.get_by_role('tab', name='training', exact=True).click()
    page.locator('input[aria-label="max_steps"]').fill('12')
    page.locator('input[aria-label="max_steps"]').press('Enter')
    type_value(page, page.get_by_label('seeds', exact=True), '0, 1', '2 settings x 2 seeds = 4 runs')

def type_value(page, field, text, effect):
    field.fill(text, timeout=180_000)
    field.press('Enter')
    try: page.get_by_text(re.compile(f'^{effect}')).first.wait_for(timeout=60_000)
    except BrowserError: raise Failed(f'the bench, {text} typed: {effect!r} is not shown') from None

def start_ablation(page):
    page.locator('button', has_text=re.compile('^ *start$')).locator('visible=true').click()
    page.get_by_text(re.compile('running$')).locator('visible=true').first.wait_for(timeout=300_000)
    top = page.get_by_role('tab', name='Runs', exact=True).bounding_box()['y']
    if not 0 <= top < 600: raise Failed(f'the bench was started, and its runs are out of view ({top:.0f} px from the top)')

def kill_kernels(address, token):
    "What a crash, or a server that is restarted, does to them."
    def ask(path, method): return urllib.request.urlopen(urllib.request.Request(f'{address}/api/{path}', headers={'Authorization': f'token {token}'}, method=method), timeout=60).read()
    for kernel in json.loads(ask('kernels', 'GET')): ask(f'kernels/{kernel["id"]}', 'DELETE')

def see_table(page):
    "In another kernel: the study goes on, and its table fills."
    menu = page.locator('.widget-dropdown', has_text='open').locator('select').first
    study = menu.locator('option', has_text='ablation-').first
    study.wait_for(state='attached', timeout=300_000)
    menu.select_option(study.inner_text())
    page.get_by_role('tab', name='Results', exact=True).click()
    page.wait_for_function("""() => [...document.querySelectorAll('.laser-lab-table tbody tr')].filter(row => row.textContent.includes('2 of 2')).length == 2""", timeout=400_000)

def choose_row(page):
    page.locator('.laser-lab-table tbody tr').first.click()
    see_pictures(page)

def see_pictures(page):
    page.wait_for_function("""() => [...document.querySelectorAll('.widget-html-content img')].some(image => image.offsetParent && image.naturalWidth)""", timeout=120_000)

def choose_point(page):
    points = page.locator('.laser-lab-points button[aria-label^="sparsity_level 4"]')
    points.first.wait_for(timeout=120_000)
    points.first.click()
    page.locator('.laser-lab-table tr[aria-selected=true]', has_text='sparsity_level 4').wait_for(timeout=60_000)
    see_pictures(page)

def swipe_runs(page):
    page.get_by_role('tab', name='Compare', exact=True).click()
    divider = page.locator('.laser-lab-swipe .divider').locator('visible=true')
    divider.wait_for(timeout=120_000)
    canvas, at = page.locator('.laser-lab-swipe canvas').locator('visible=true'), divider.get_attribute('aria-valuenow')
    box, before = divider.bounding_box(), canvas.evaluate('canvas => canvas.toDataURL()')
    page.mouse.move(box['x'] + box['width']/2, box['y'] + box['height']/2)
    page.mouse.down()
    page.mouse.move(box['x'] - 80, box['y'] + box['height']/2, steps=8)
    page.mouse.up()
    page.wait_for_timeout(500)
    if divider.get_attribute('aria-valuenow') == at or canvas.evaluate('canvas => canvas.toDataURL()') == before: raise Failed('the bench: the divider was dragged, and nothing changed')

def upload_image(page):
    picture = ROOT/'nbs/start/ablation_bench.png'
    with page.expect_file_chooser() as chooser: page.locator('button', has_text='your image').locator('visible=true').click()
    chooser.value.set_files(picture)
    page.wait_for_function("""name => [...document.querySelectorAll('select')].some(menu => menu.offsetParent && menu.selectedOptions[0]?.text === name)""", arg=picture.name, timeout=120_000)
    page.locator('.laser-lab-swipe canvas').locator('visible=true').wait_for()

BENCH_STEPS = dict(plan=plan_ablation, start=start_ablation), {'see the table': see_table, 'choose a row': choose_row, 'choose a point': choose_point, 'swipe': swipe_runs, 'upload': upload_image}

def check_bench(page, address, token, screenshots):
    "A tiny ablation from the plan to the pictures; its kernel is killed while it runs."
    began = time.monotonic()
    for part in BENCH_STEPS:
        open_bench(page, address, token)
        for step, action in part.items():
            try: action(page)
            finally: page.screenshot(path=screenshots/f'bench_{step.replace(" ", "_")}.png')
            check_errors(page, f'the bench, {step}')
            print(f'{time.monotonic() - began:5.1f} s  the bench, {step}', flush=True)
        kill_kernels(address, token)

def check_app(page, address, screenshots):
    "The start page of the app, and panels without their code."
    page.goto(address)
    check_cards(page, 'a:has(img)', 'the app')
    page.screenshot(path=screenshots/'app.png')
    for name, steps in APP.items():
        page.goto(address)
        page.locator(f'a[href$="{name}"]').click()
        drive(page, name, steps, screenshots, 'app_')
        if page.locator('.jp-CodeCell .jp-Cell-inputWrapper').locator('visible=true').count(): raise Failed(f'{name}: the app shows code')

def watched(browser, broken):
    "A page whose errors are collected."
    page = browser.new_page(viewport=dict(width=1280, height=900))
    page.set_default_timeout(120_000)
    page.on('pageerror', lambda error: broken.append(str(error)))
    page.on('console', lambda message: broken.append(message.text) if message.type == 'error' else None)
    page.on('request', lambda request: None if re.match(OURS, request.url) else broken.append(f'asks for {request.url}'))
    return page

def check(chromium, screenshots):
    work, token, broken = Path(tempfile.mkdtemp(prefix='browser-check-')), secrets.token_hex(16), []
    try:
        with sync_playwright() as player:
            browser = player.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu', '--disable-background-networking'])
            with lab(work, screenshots/'jupyterlab.log', token) as address:
                page = watched(browser, broken)
                check_start(page, address, token, screenshots)
                check_bench(page, address, token, screenshots)
                broken[:] = [said for said in broken if GONE not in said]
                for name, steps in PAGES.items():
                    page.goto(f'{address}/lab/tree/{PANELS}/{name}?reset&token={token}')
                    drive(page, name, steps, screenshots)
                page.close()
            with serving(work, screenshots/'app.log', 'app', '--no-browser') as address:
                check_app(page := watched(browser, broken), address, screenshots)
                page.close()
            browser.close()
            if broken: raise Failed(f'the page reports: {broken[0][:300]}')
    finally: shutil.rmtree(work, ignore_errors=True)

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--chromium', default=shutil.which('chromium') or shutil.which('google-chrome'), help='browser to drive (default: %(default)s)')
    parser.add_argument('--screenshots', type=Path, help='folder for screenshots and the log of the server (default: a new temporary one)')
    options = parser.parse_args()
    screenshots = options.screenshots or Path(tempfile.mkdtemp(prefix='browser-screenshots-'))
    screenshots.mkdir(parents=True, exist_ok=True)
    if not options.chromium: sys.exit('browser check: no browser; install chromium or name one with --chromium')
    try: check(options.chromium, screenshots)
    except (Failed, BrowserError) as e: sys.exit(f'browser check: {e}\nscreenshots in {screenshots}')
    print(f'browser check passed; screenshots in {screenshots}')

if __name__ == '__main__': main()
