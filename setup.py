"""Installs the package that the notebooks in nbs/ export; everything it says comes from settings.ini."""
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

parser = ConfigParser(delimiters=['='], interpolation=None)
parser.read(Path(__file__).with_name('settings.ini'), encoding='utf-8')
cfg = parser['DEFAULT']
extras = {extra: cfg[f'{extra}_requirements'].split() for extra in ('dev', 'docs', 'bench', 'ray', 'slurm', 'app')}
extras['dev'] += extras['docs']

setup(name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
      author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='MIT', license_files=['LICENSE'],
      long_description=Path(__file__).with_name('README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
      packages=find_packages(include=['laser_lab', 'laser_lab.*']), package_data={'laser_lab.codec': ['*.json', 'weights/*.safetensors']},
      python_requires=f">={cfg['min_python']},<3.13",
      install_requires=cfg['requirements'].split(),
      extras_require=extras,
      entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f"laser_lab={cfg['lib_path']}._modidx:d"]},
      classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'License :: OSI Approved :: MIT License',
                   'Natural Language :: English', *(f'Programming Language :: Python :: 3.{v}' for v in (10, 11, 12))],
      zip_safe=False)
