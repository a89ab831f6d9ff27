// Local-path-helper makes and deletes the folder of one volume on the node where local-path-provisioner starts its pod:
//
//	local-path-helper -a create|delete -p FOLDER -s BYTES -m Filesystem|Block
//
// These are the arguments that local-path-provisioner gives its setupCommand and teardownCommand (its README, "Configuration").
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// Pods of any user write into their volume, as with upstream's scripts. Who can reach the folder above it is another question: see closeIfEmpty.
const volumeMode = 0o777

// Only the kubelet, as root, goes through the folder above; pods get their volume mounted.
const baseMode = 0o700

func main() {
	action := flag.String("a", "", "create or delete")
	folder := flag.String("p", "", "absolute path of the volume's folder")
	mode := flag.String("m", "Filesystem", "mode of the volume")
	flag.Int64("s", 0, "bytes that were asked for; nothing holds a volume to them")
	flag.Parse()
	if err := run(*action, *folder, *mode); err != nil {
		fmt.Fprintln(os.Stderr, "local-path-helper:", err)
		os.Exit(1)
	}
}

func run(action, folder, mode string) error {
	if !filepath.IsAbs(folder) || filepath.Clean(folder) != folder || filepath.Dir(folder) == "/" {
		return fmt.Errorf("%q is not the clean absolute path of a folder below another one", folder)
	}
	switch action {
	case "create":
		if mode != "Filesystem" {
			return fmt.Errorf("a volume of mode %s cannot be a folder: ask for volumeMode Filesystem", mode)
		}
		return create(folder)
	case "delete":
		// Links in it are deleted, not followed; what is gone already is no error.
		return os.RemoveAll(folder)
	}
	return fmt.Errorf("unknown action %q", action)
}

func create(folder string) error {
	if err := closeIfEmpty(filepath.Dir(folder)); err != nil {
		return err
	}
	err := os.Mkdir(folder, volumeMode)
	if errors.Is(err, os.ErrExist) {
		// From an attempt that was cut off. Whatever else has the name is no volume.
		status, statError := os.Lstat(folder)
		if statError != nil || !status.IsDir() {
			return err
		}
	} else if err != nil {
		return err
	}
	// Not narrowed by the umask.
	return os.Chmod(folder, volumeMode)
}

// closeIfEmpty keeps other users of the host out of base, if the first volume is to come into it. A folder that has something in it already is
// as somebody wants it.
func closeIfEmpty(base string) error {
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) > 0 {
		return err
	}
	return os.Chmod(base, baseMode)
}
