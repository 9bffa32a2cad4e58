with

entries as (
    select * from {{ ref('stg_blocking_lists__entry_versions') }}
),

channels as (
    select distinct
        channel,
        {{ normalised_text('value') }} as contact_point
    from {{ ref('int_contact_channels_exploded') }}
    union
    select distinct
        'email' as channel,
        contact_point
    from {{ ref('int_consent_states_versioned') }}
),

-- A list names an address, all of a domain, or the SHA-1 of either.
spellings as (
    select
        channel,
        contact_point,
        contact_point as entry
    from channels
    where contact_point is not null
    union
    select
        channel,
        contact_point,
        '@' || split_part(contact_point, '@', 2) as entry
    from channels
    where channel = 'email' and contact_point like '%@%'
),

hashed as (
    select * from spellings
    union
    select
        channel,
        contact_point,
        {{ text_sha1('entry') }} as entry
    from spellings
),

-- What is told in clear holds also where nobody has it yet.
named as (
    select
        entries.*,
        coalesce(hashed.contact_point, entries.entry) as contact_point
    from entries
    left join hashed
        on
            entries.channel = hashed.channel
            and {{ normalised_text('entries.entry') }} = hashed.entry
),

final as (
    select
        'blocking_lists' as source,
        list_name || ':' || entry as source_record,
        channel,
        contact_point,
        'list_blocked' as event,
        list_name as detail,
        min(cast(listed_on as timestamp with time zone)) as happened_at,
        min(load_id) as recorded_load_id,
        min(pulled_at) as recorded_at
    from named
    where
        contact_point not like '@%'
        and not (channel = 'email' and contact_point not like '%@%')
    group by list_name, entry, channel, contact_point
)

select * from final
