package main

import (
	"slices"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

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

// selectorOf reads one of them: a word for a type of objects, or a REF.
func selectorOf(text string) (func(*inspect.Object) bool, error) {
	if kind, ok := ref.KindOf(text); ok {
		return func(o *inspect.Object) bool { return o.Kind == kind }, nil
	}
	r, err := ref.Parse(text)
	if err != nil {
		return nil, err
	}
	if r.ID >= 0 {
		return func(o *inspect.Object) bool { return o.Kind == r.Kind && o.ID == r.ID }, nil
	}
	return func(o *inspect.Object) bool { return o.Kind == r.Kind && o.Key == r.Key }, nil
}
