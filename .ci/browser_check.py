#!/usr/bin/env python3
"""Use the explorers as a person would: in JupyterLab, in a browser, with keyboard and mouse.

Opens a copy of each page under headless Chromium, runs all cells, moves a slider, makes another choice, and asserts after each step that the picture changed and that nothing
reports an error. Screenshots of every step go to --screenshots. Exit status 0 if all is well, otherwise 1 and one line that says what is not.
"""
import argparse, json, os, secrets, shutil, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Error as BrowserError, sync_playwright

FOLDER = Path(__file__).resolve().parent.parent/'nbs/workbench/explorers'
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
    spec.mkdir(parents=True)
    argv = [sys.executable, '-m', 'ipykernel_launcher', '-f', '{connection_file}']
    (spec/'kernel.json').write_text(json.dumps(dict(argv=argv, display_name='python3', language='python')))

def isolated(folder):
    "Environment in which Jupyter reads and writes no settings but its own here; the question about news is answered."
    settings = folder/'settings/@jupyterlab/apputils-extension'
    settings.mkdir(parents=True)
    (settings/'notification.jupyterlab-settings').write_text('{"fetchNews": "false", "checkForUpdates": false}')
    write_kernel(folder)
    places = dict(JUPYTER_CONFIG_DIR='config', JUPYTER_DATA_DIR='data', JUPYTER_RUNTIME_DIR='runtime', JUPYTERLAB_SETTINGS_DIR='settings', JUPYTERLAB_WORKSPACES_DIR='workspaces',
                  IPYTHONDIR='ipython')
    return os.environ | {name: str(folder/place) for name, place in places.items()}

@contextmanager
def server(folder, root, log):
    "JupyterLab on `root`; gives the address of its start page with the token, and stops the server in any case."
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, '-m', 'jupyterlab', '--no-browser', '--allow-root', '--ip=127.0.0.1', f'--port={port}', '--ServerApp.port_retries=0',
               f'--IdentityProvider.token={token}', f'--ServerApp.root_dir={root}', '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate']
    with open(log, 'w') as file:
        process = subprocess.Popen(command, env=isolated(folder), stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for_server(process, f'http://127.0.0.1:{port}/api/status?token={token}', log)
            yield f'http://127.0.0.1:{port}/lab/tree/{{}}?reset&token={token}'
        finally:
            process.terminate()
            try: process.wait(15)
            except subprocess.TimeoutExpired: process.kill()

def wait_for_server(process, address, log, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None: raise Failed(f'JupyterLab stopped with status {process.returncode}; see {log}')
        try: return urllib.request.urlopen(address, timeout=2).close()
        except (urllib.error.URLError, OSError): time.sleep(.2)
    raise Failed(f'JupyterLab did not answer within {seconds} s; see {log}')

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

def idle(page): return page.get_by_text('| Idle')

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

def take_screenshot(page, path):
    "The page with the whole picture in view, if there is one."
    shown = page.locator(PICTURE).locator('visible=true')
    if shown.count(): shown.first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    page.screenshot(path=path)

def drive(page, address, name, screenshots):
    "All steps of a page in order, each with its time."
    began, last, title = time.monotonic(), '', name.split('_')[0]
    page.goto(address.format(name))
    for number, (step, action) in enumerate(PAGES[name].items()):
        try:
            action(page)
            last = wait_for_picture(page, last, f'{name}, {step}', 300 if number == 0 else 120)
            check_errors(page, f'{name}, {step}')
        finally: take_screenshot(page, screenshots/f'{title}_{number}_{step.replace(" ", "_")}.png')
        print(f'{time.monotonic() - began:5.1f} s  {title}, {step}: picture {last}', flush=True)

def check(folder, chromium, screenshots):
    work = Path(tempfile.mkdtemp(prefix='browser-check-'))
    root = work/'root'
    root.mkdir()
    for name in PAGES: shutil.copy(folder/name, root)
    try:
        with server(work, root, screenshots/'jupyterlab.log') as address, sync_playwright() as player:
            browser = player.chromium.launch(executable_path=chromium, args=['--no-sandbox', '--disable-gpu', '--disable-background-networking'])
            page = browser.new_page(viewport=dict(width=1280, height=900))
            page.set_default_timeout(120_000)
            broken = []
            page.on('pageerror', lambda error: broken.append(str(error)))
            for name in PAGES: drive(page, address, name, screenshots)
            browser.close()
            if broken: raise Failed(f'the page reports: {broken[0][:300]}')
    finally: shutil.rmtree(work, ignore_errors=True)

def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', type=Path, default=FOLDER, help='folder of the pages (default: %(default)s)')
    parser.add_argument('--chromium', default=shutil.which('chromium') or shutil.which('google-chrome'), help='browser to drive (default: %(default)s)')
    parser.add_argument('--screenshots', type=Path, help='folder for screenshots and the log of the server (default: a new temporary one)')
    options = parser.parse_args()
    screenshots = options.screenshots or Path(tempfile.mkdtemp(prefix='browser-screenshots-'))
    screenshots.mkdir(parents=True, exist_ok=True)
    if not options.chromium: sys.exit('browser check: no browser; install chromium or name one with --chromium')
    try: check(options.folder, options.chromium, screenshots)
    except (Failed, BrowserError) as e: sys.exit(f'browser check: {e}\nscreenshots in {screenshots}')
    print(f'browser check passed; screenshots in {screenshots}')

if __name__ == '__main__': main()
