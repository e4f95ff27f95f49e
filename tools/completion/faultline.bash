# Completion of faultline(1) for bash.

_faultline_values() {
  case $1 in
    --memory) echo "64M 256M 1G 4G" ;;
    --paging) echo "4 5" ;;
    --sink) echo "auto shadow two-dimensional" ;;
    --linux) echo "4.0 4.4 4.9 4.14 4.19 5.4 5.10 5.15 6.1 6.6 6.12 6.18" ;;
    --judges) echo "reference model kvm hosted linux" ;;
    --backend) echo "auto kvm hosted" ;;
    --fault-format | --stats-format) echo "text jsonl" ;;
    --path) echo "lock_vma_under_rcu find_vma expand_stack do_anonymous_page do_anonymous_page:zero_page do_read_fault do_fault_around do_cow_fault do_shared_fault page_mkwrite do_wp_page wp_page_reuse wp_page_copy wp_page_shared do_numa_page bad_area bad_area_access_error beyond_end_of_file" ;;
    --outcome) echo "minor major signal efault SIGSEGV SIGBUS" ;;
    --rule) echo "right.allowed walk.not-present walk.reserved right.user right.write right.fetch right.smep right.smap right.pku right.pks address.canonical address.straddle tlb.stale" ;;
    --feature) echo "base nx 1g-pages la57 smep smap pku pks pge instruction legacy high-memory" ;;
    --section) echo "leaf upper bits instructions straddle canonical stale keys all five frames" ;;
  esac
}

_faultline() {
  local guest="--memory --backend --paging --sink --linux --time-limit --exit-limit --storm-limit --max-processes --env --clear-env --root --read-only --no-files --quiet --help"
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]} options i
  COMPREPLY=()

  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "run walk inspect doctor conform fuzz --help --version" -- "$current")
    return
  fi
  case $command in
    run) options="$guest --fault-log --fault-format --record --record-registers --record-limit --strace --stats --stats-json --stats-interval --stats-format --gdb --multiboot --module --kernel --oops-json" ;;
    walk) options="$guest --address --tree --vmas" ;;
    inspect) options="--timeline --faults --heat --exit --fault --at --html --trace --folded --counts --tui --address --vma --path --outcome --process --time --json --csv --top --help" ;;
    doctor) options="--json --help" ;;
    conform) options="--cases --full --seed --case --rule --feature --section --baseline --json --junit --list --model-only --help" ;;
    fuzz)
      case ${COMP_WORDS[2]} in
        replay) options="--judges --backend --known --help" ;;
        minimize) options="--judges --backend --known --output --help" ;;
        run) options="--judges --backend --known --help" ;;
        generate) options="--seed --operations --raw --failures --help" ;;
        *) options="--seed --jobs --time --programs --judges --backend --known --json --raw --failures --help" ;;
      esac ;;
    *) return ;;
  esac

  # A campaign's folder, or a command and its file.
  if [ "$command" = fuzz ]; then
    case $previous in
      --backend) mapfile -t COMPREPLY < <(compgen -W "$(_faultline_values "$previous")" -- "$current") ;;
      --judges)  # a list: the last name of it
        local before=""
        [[ $current == *,* ]] && before=${current%,*},
        mapfile -t COMPREPLY < <(compgen -P "$before" -W "$(_faultline_values "$previous")" -- "${current##*,}") ;;
      --seed | --jobs | --time | --programs | --operations) ;;
      *)
        if [[ $current == -* ]]; then
          mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        elif [ "$COMP_CWORD" -eq 2 ]; then
          mapfile -t COMPREPLY < <(compgen -W "replay minimize run generate" -- "$current"; compgen -f -- "$current")
        else
          mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi ;;
    esac
    return
  fi

  # The files of inspect stand anywhere, and diff before them.
  if [ "$command" = inspect ]; then
    case $previous in
      --path | --outcome) mapfile -t COMPREPLY < <(compgen -W "$(_faultline_values "$previous")" -- "$current") ;;
      --html | --trace | --folded) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
      --exit | --fault | --at | --address | --vma | --process | --time | --top) ;;
      *)
        if [[ $current == -* ]]; then
          mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        elif [ "$COMP_CWORD" -eq 2 ]; then
          mapfile -t COMPREPLY < <(compgen -W diff -- "$current"; compgen -f -- "$current")
        else
          mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi ;;
    esac
    return
  fi

  # The program ends the options: what follows are its own arguments, files for want of better.
  for ((i = 2; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --) break ;;
      --clear-env | --read-only | --no-files | --quiet | -q | --strace | --record-registers | --stats | --tree | --vmas | --json | --full | --list | --model-only | -h | --help) ;;
      --*=*) ;;
      -*) i=$((i + 1)) ;;
      *) break ;;
    esac
  done
  if [ "$i" -lt "$COMP_CWORD" ]; then
    if [ "${COMP_WORDS[i]}" = -- ] && [ "$COMP_CWORD" -eq $((i + 1)) ]; then
      mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
    else
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
    return
  fi

  case $previous in
    --memory | --backend | --paging | --sink | --linux | --fault-format | --stats-format | --rule | --feature | --section)
      mapfile -t COMPREPLY < <(compgen -W "$(_faultline_values "$previous")" -- "$current") ;;
    --root) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    --fault-log | --record | --stats-json | --gdb | --multiboot | --module | --kernel | --oops-json | --baseline | --junit) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    --env) mapfile -t COMPREPLY < <(compgen -e -- "$current") ;;
    --time-limit | --exit-limit | --storm-limit | --max-processes | --record-limit | --stats-interval | --address | --cases | --seed | --case) ;;
    *)
      if [[ $current == -* || $command == doctor || $command == conform ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -c -f -- "$current")
      fi ;;
  esac
}

complete -o filenames -F _faultline faultline
