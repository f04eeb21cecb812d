"""The services of the kit, one file each: settings in, a spec out."""
