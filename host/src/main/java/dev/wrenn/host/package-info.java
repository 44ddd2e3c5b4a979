/** Host agent: capsule lifecycle, journal, adoption, templates. */
@NullMarked
package dev.wrenn.host;

import org.jspecify.annotations.NullMarked;
