package agent

import (
	"slices"
	"time"
)

// keyTypes knows which key types the leaves of one name have, where a server
// takes one staple for a server block: if RSA and ECDSA stand in the same
// block, clients of one of them get the other's staple.
type keyTypes struct {
	by    map[string][]kin
	mixed map[string]bool // names that have got a second key type, and were not looked at since
}

// kin are targets with leaves of one name and key type.
type kin struct {
	keyType string
	targets []*target
}

func newKeyTypes() keyTypes {
	return keyTypes{by: make(map[string][]kin), mixed: make(map[string]bool)}
}

// add notes the leaf that t holds now.
func (k *keyTypes) add(t *target) {
	leaf := t.sub.chain.Leaf
	all := k.by[leaf.Name]
	i := slices.IndexFunc(all, func(same kin) bool { return same.keyType == leaf.KeyType })
	if i < 0 {
		i = len(all)
		all = append(all, kin{keyType: leaf.KeyType})
		if len(all) > 1 {
			k.mixed[leaf.Name] = true
		}
	}
	all[i].targets = append(all[i].targets, t)
	k.by[leaf.Name] = all
}

// remove forgets the leaf that t holds.
func (k *keyTypes) remove(t *target) {
	leaf := t.sub.chain.Leaf
	all := k.by[leaf.Name]
	for i := range all {
		all[i].targets = slices.DeleteFunc(all[i].targets, func(o *target) bool { return o == t })
	}
	all = slices.DeleteFunc(all, func(same kin) bool { return len(same.targets) == 0 })
	if len(all) > 1 {
		k.by[leaf.Name] = all
		return
	}
	delete(k.mixed, leaf.Name)
	if k.by[leaf.Name] = all; len(all) == 0 {
		delete(k.by, leaf.Name)
	}
}

// current returns a target for each key type that a name has among the leaves
// that have not expired.
func (k *keyTypes) current(name string, now time.Time) []*target {
	var out []*target
	for _, same := range k.by[name] {
		i := slices.IndexFunc(same.targets, func(t *target) bool { return now.Before(t.sub.chain.Leaf.NotAfter) })
		if i >= 0 {
			out = append(out, same.targets[i])
		}
	}
	return out
}

// sayKeyTypes warns, once, of names that have two key types. It is for when all
// that has changed is read: a renewal with another key type replaces one file
// after the other.
func (a *Agent) sayKeyTypes(now time.Time) {
	for name := range a.keyTypes.mixed {
		delete(a.keyTypes.mixed, name)
		if all := a.keyTypes.current(name, now); len(all) > 1 {
			a.log.Warn("two key types of one name: if they share a server block, nginx sends one staple with both; "+
				"keep one of them, or use ssl_stapling_responder and listen: as in examples/nginx-dual-cert",
				"name", name, "cert", all[0].key.path, "other", all[1].key.path)
		}
	}
}
