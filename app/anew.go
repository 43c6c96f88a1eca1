package app

import "time"

// What the store does not have any more can have been lost there: it was emptied together with the log, or could not be
// reached for as long as the record was kept. Or it has become somebody else's, who has ended it since. A live session
// is stored anew only where it cannot be that (case 15 of docs/guarantees.md).

// remember is for how long the store knows of a session that it has ended: for as long as any other node, with the same
// window, can take its own record of it for one that the store still keeps, and for what is on its way.
func (k *keeper) remember() time.Duration { return k.liveFor + 2*answerTimeout }

// orderedBy is within which the others are told of a session that was taken, or ended, just before its record expired
// where it was: claims outlive the record, and orders can be put off.
const orderedBy = 2 * answerTimeout

// forgotten reports whether the store may not have the record any more. A save was refused. The caller holds the lock.
func (r *record) forgotten() bool {
	return r.state == recordLive && r.revision > 0 && (r.anew || r.unkept())
}

// missing reports whether the record may have been stored, and is to be stored as if it never was. The caller holds the
// lock.
func (r *record) missing() bool { return r.revision == 0 && !r.savedAt.IsZero() }

// unkept reports whether the time is over for which the record was stored last.
func (r *record) unkept() bool { return time.Since(r.savedAt) >= r.keptFor }

// mayStoreAnew decides whether the store can have lost the record. Within the time for which it was to be kept the store
// knows if somebody has ended the session. After that the log has told that somebody has taken it, if nothing of it was
// lost to this node, and it has read far enough; wait says that it has not yet. The caller holds the lock.
func (r *record) mayStoreAnew(at *places) (may, wait bool) {
	switch {
	case !r.unkept():
		return true, false
	case at.broken.After(r.savedAt):
		return false, false
	default:
		told := at.tailAt.After(r.savedAt.Add(r.keptFor + orderedBy))
		return told, !told
	}
}

// expired reports whether nothing can be stored any more of what was stored once.
func (r *record) expired() bool {
	return !r.savedAt.IsZero() && time.Since(r.savedAt) > r.keeper.liveFor
}

// outlived reports whether a session that is away, or taken, is surely stored as live no more. Before, what is stored
// would be believed with each new lease, however long the store could not be reached.
func (r *record) outlived() bool { return time.Since(r.awayAt) >= r.keeper.liveFor }
