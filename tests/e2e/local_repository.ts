/** The package of the guest's own small repository, which needs no network. */
export const PACKAGE = "machine-test-tool";

/** Makes a repository of one empty package in the guest itself (sources.list(5), "file"; deb-control(5)). */
export const LOCAL_REPOSITORY = `
set -e
folder=/var/tmp/debs
mkdir -p $folder/tool/DEBIAN
printf '%s\\n' 'Package: ${PACKAGE}' 'Version: 1' 'Architecture: all' 'Maintainer: Nobody <nobody@example.org>' \
  'Description: nothing' >$folder/tool/DEBIAN/control
dpkg-deb --build $folder/tool $folder/tool.deb >/dev/null
{ cat $folder/tool/DEBIAN/control
  echo "Filename: ./tool.deb"
  echo "Size: $(stat -c %s $folder/tool.deb)"
  echo "SHA256: $(sha256sum <$folder/tool.deb | cut -d' ' -f1)"; } >$folder/Packages
echo "deb [trusted=yes] file:$folder ./" >/etc/apt/sources.list.d/local.list
apt-get -q update -o Dir::Etc::sourcelist=sources.list.d/local.list -o Dir::Etc::sourceparts=- >/dev/null 2>&1
`;
