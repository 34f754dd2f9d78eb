package main

import (
	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
)

// keyFlags choose the key of a new object.
type keyFlags struct {
	key, ftok, name string
	private         bool
}

func (k *keyFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&k.key, "key", "", "KEY, such as 0x4d2 or 1234")
	f.StringVar(&k.ftok, "ftok", "", "key that ftok(3) makes of a file and a character or number")
	f.StringVar(&k.name, "name", "", "key that package sysvipc makes of NAME (KeyOf)")
	f.BoolVar(&k.private, "private", false, "no key: found only by its ID (the default)")
	placeholder(cmd, "KEY", "key")
	placeholder(cmd, "PATH:PROJ", "ftok")
	placeholder(cmd, "NAME", "name")
	cmd.MarkFlagsMutuallyExclusive("key", "ftok", "name", "private")
}

// chosen returns the key, which is Private unless a flag says otherwise.
func (k *keyFlags) chosen(cmd *cobra.Command) (sysvipc.Key, error) {
	for _, way := range []struct{ how, what string }{{"key", k.key}, {"ftok", k.ftok}, {"name", k.name}} {
		if cmd.Flags().Changed(way.how) {
			key, err := parseKeyAs(way.how, way.what)
			if err == nil {
				typedNamesOf(cmd.Context()).add(typedName{0, key, -1, way.how + "=" + way.what})
			}
			return key, err
		}
	}
	return sysvipc.Private, nil
}
