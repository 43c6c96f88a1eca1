package domain

import "strings"

// reservedPrefix begins the names of the namespaces in which nodes talk among themselves.
const reservedPrefix = "/roombus/"

// NamespaceDiagnostics is the namespace in which nodes answer what others and tools ask of them. A node is in it only
// while its diagnostics are on.
const NamespaceDiagnostics = reservedPrefix + "diagnostics"

// IsReservedNamespace reports whether a namespace belongs to the nodes alone: one whose name begins with /roombus/. No
// client may enter it, whatever patterns of names the application takes.
func IsReservedNamespace(name string) bool { return strings.HasPrefix(name, reservedPrefix) }

// TraceStateKey names the entry of a trace's state (W3C tracestate) by which nodes tell each other which traces are
// remembered by all of them. What clients put there is theirs alone, and is not taken over.
const TraceStateKey = "roombus"
