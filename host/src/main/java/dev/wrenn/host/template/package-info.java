/** Templates of this host and the snapshots booted from them. */
@NullMarked
package dev.wrenn.host.template;

import org.jspecify.annotations.NullMarked;
