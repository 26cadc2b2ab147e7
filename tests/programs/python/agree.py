# agree.py NATIVE.xml VMBOX.xml: what `python3 -m test --junit-xml` wrote. Prints how many tests passed
# in both, and each that passed natively but not in vmbox; then the status is 1.
import sys
import xml.etree.ElementTree


def outcomes(path):
    found = {}
    for case in xml.etree.ElementTree.parse(path).iter('testcase'):
        kinds = [child.tag for child in case]
        bad = [kind for kind in kinds if kind in ('error', 'failure', 'skipped')]
        found[case.get('name')] = bad[0] if bad else 'ok'
    return found


native, vmbox = outcomes(sys.argv[1]), outcomes(sys.argv[2])
worse = [name for name in sorted(native) if native[name] == 'ok' and vmbox.get(name) != 'ok']
for name in worse:
    print(f'{name}: natively ok, in vmbox {vmbox.get(name, "not run")}')
both = sum(1 for name in native if native[name] == 'ok' and vmbox.get(name) == 'ok')
print(f'{both} tests pass in both')
sys.exit(bool(worse) or not both)
