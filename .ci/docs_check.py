"""Look at the documentation as a reader would: every link leads somewhere, and a browser shows pictures, tables and formulas."""
import shutil, sys, tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Error as BrowserError, sync_playwright

SHOWS = {'picture': 'article img', 'table': 'article table', 'formula': 'article mjx-container svg'}


class Page(HTMLParser):
    "The anchors of a page, and the links of it."
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = {'', '__top'}, set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[key] for key in ('id', 'name') if attributes.get(key)}
        self.links |= {attributes[key] for key in ('href', 'src') if attributes.get(key)}


def dead_links(site):
    "Links within the site that lead nowhere."
    pages, wrong = {path: Page(path.read_text()) for path in sorted(site.rglob('*.html'))}, []
    for path, page in pages.items():
        if path.name == '404.html': continue  # its links are absolute
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc: continue
            target = (path.parent/unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir(): target /= 'index.html'
            if not target.exists() or (target in pages and unquote(parts.fragment) not in pages[target].anchors): wrong.append(f'{path.relative_to(site)}: {link}')
    return wrong


def pages_to_see(site):
    "Three pages, each with the kinds of things that it must show: the first page, the first study, and the first page with a formula."
    study = min((site/'studies').glob('*.html'))
    formula = next(path for path in sorted(site.rglob('*.html')) if 'class="arithmatex"' in path.read_text())
    return {site/'index.html': ['picture', 'table'], study: ['picture', 'table'], formula: ['formula']}


def is_shown(page, kind):
    "Whether the browser gives it a size, waiting a while for scripts."
    shown = 'selector => [...document.querySelectorAll(selector)].some(e => (e.naturalWidth ?? e.getBoundingClientRect().width) > 10)'
    try: page.wait_for_function(shown, arg=SHOWS[kind], timeout=60_000)
    except BrowserError: return False
    page.locator(SHOWS[kind]).first.scroll_into_view_if_needed()
    return True


def look(site, screenshots, chromium):
    "What the pages do not show that they must, and what they ask the network for; a screenshot of each in light and dark."
    wrong, options = [], ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--allow-file-access-from-files']
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=chromium, args=options)
        for scheme in ('light', 'dark'):
            page = browser.new_page(viewport=dict(width=1400, height=1000), color_scheme=scheme)
            fetched = set()
            page.on('request', lambda request: fetched.add(request.url) if request.url.startswith('http') else None)
            for path, kinds in pages_to_see(site).items():
                page.goto(path.as_uri())
                for kind in kinds:
                    if not is_shown(page, kind): wrong.append(f'{path.relative_to(site)}: no {kind} is shown')
                    page.screenshot(path=screenshots/f'{path.stem}_{kind}_{scheme}.png')
            wrong += [f'the site asks the network for {url}' for url in sorted(fetched)]
        browser.close()
    return wrong


def run(site, screenshots=None):
    "Exit with one line for each thing that is wrong."
    screenshots = screenshots or Path(tempfile.mkdtemp(prefix='docs-screenshots-'))
    screenshots.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which('chromium') or shutil.which('google-chrome')
    if not chromium: sys.exit('documentation: no browser; install chromium')
    wrong = [f'dead link in {place}' for place in dead_links(site)] + look(site, screenshots, chromium)
    if wrong: sys.exit('\n'.join([*wrong, f'screenshots in {screenshots}']))
    print(f'{len(list(site.rglob("*.html")))} pages, no dead link; screenshots in {screenshots}')


if __name__ == '__main__': run(Path(sys.argv[1]))
