/** Page maps, layers, manifests and the snapshot store. */
@NullMarked
package dev.wrenn.snapshot;

import org.jspecify.annotations.NullMarked;
