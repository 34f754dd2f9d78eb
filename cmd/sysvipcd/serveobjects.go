package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
)

var kindWords = map[string]sysvipc.Kind{"shm": sysvipc.KindSegment, "sem": sysvipc.KindSemaphores, "msg": sysvipc.KindQueue}

// selector reads the values of --object: an object is selected if one of them says so.
func selector(filters []string) (func(*inspect.Object) bool, error) {
	var all []func(*inspect.Object) bool
	for _, text := range filters {
		one, err := selectorOf(text)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return func(o *inspect.Object) bool {
		return slices.ContainsFunc(all, func(one func(*inspect.Object) bool) bool { return one(o) })
	}, nil
}

// selectorOf reads one of them: a kind, or a REF.
func selectorOf(text string) (func(*inspect.Object) bool, error) {
	const forms = "write shm, sem, msg, msg:5, msg:key=0x4d2, msg:name=NAME or msg:ftok=PATH:PROJ"
	word, rest, one := strings.Cut(text, ":")
	kind, ok := kindWords[word]
	if !ok {
		return nil, cli.Usage("--object %q: %s", text, forms)
	}
	if !one {
		return func(o *inspect.Object) bool { return o.Kind == kind }, nil
	}
	how, what, byKey := strings.Cut(rest, "=")
	if !byKey {
		id, err := strconv.ParseInt(rest, 10, 32)
		if err != nil || id < 0 {
			return nil, cli.Usage("--object %q: %q is no ID: %s", text, rest, forms)
		}
		return func(o *inspect.Object) bool { return o.Kind == kind && o.ID == int(id) }, nil
	}
	key, err := keyOf(how, what)
	if err != nil || key == sysvipc.Private || what == "" {
		return nil, cli.Usage("--object %q names no key: %s", text, forms)
	}
	return func(o *inspect.Object) bool { return o.Kind == kind && o.Key == key }, nil
}

// keyOf reads the right side of a REF by key. What it cannot read is the key Private.
func keyOf(how, what string) (sysvipc.Key, error) {
	switch how {
	case "key":
		return sysvipc.ParseKey(what)
	case "name":
		return sysvipc.KeyOf(what), nil
	case "ftok":
		if at := strings.LastIndexByte(what, ':'); at > 0 && at == len(what)-2 {
			return sysvipc.Ftok(what[:at], what[at+1])
		}
	}
	return sysvipc.Private, nil
}
