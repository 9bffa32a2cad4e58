with

states as (
    select * from {{ ref('int_consent_states_versioned') }}
),

unsubscribes as (
    select * from {{ ref('stg_mailchimp__unsubscribes') }}
    where email is not null
),

told as (
    select
        source,
        source_record,
        list_id,
        contact_point,
        'requested' as event,
        signed_up_at as happened_at,
        signed_up_at as asked_at,
        is_sign_up_time_known as is_time_known,
        signed_up_ip as evidence_ip,
        cast(null as {{ dbt.type_string() }}) as source_status,
        pulled_at,
        load_id
    from states
    where signed_up_at is not null
    union all
    select
        source,
        source_record,
        list_id,
        contact_point,
        'confirmed' as event,
        opted_at as happened_at,
        signed_up_at as asked_at,
        is_opt_time_known as is_time_known,
        opted_ip as evidence_ip,
        null as source_status,
        pulled_at,
        load_id
    from states
    where has_double_opt_in_evidence
    union all
    -- Seen again unchanged, a state without a moment of its own is told once; an end with a moment
    -- is told each time, as nobody knows what was in between.
    select
        source,
        source_record,
        list_id,
        contact_point,
        consent_event as event,
        state_since as happened_at,
        null as asked_at,
        is_state_time_known as is_time_known,
        null as evidence_ip,
        source_status,
        pulled_at,
        load_id
    from states
    where
        consent_event is not null
        and not (consent_event = 'requested' and signed_up_at is not null)
        and (
            not is_as_before
            or (is_state_time_known and consent_event <> 'imported_without_proof')
        )
    union all
    select
        'mailchimp' as source,
        membership_id as source_record,
        cast(null as {{ dbt.type_string() }}) as list_id,
        email as contact_point,
        'withdrawn' as event,
        unsubscribed_at as happened_at,
        null as asked_at,
        true as is_time_known,
        null as evidence_ip,
        'unsubscribed' as source_status,
        pulled_at,
        load_id
    from unsubscribes
),

-- Who objects to advertising objects to all of it, and where no mail arrives no mail of any kind
-- does; everything else was said about the newsletter.
purposed as (
    select
        *,
        case when event in ('objected', 'bounced') then 'advertising' else 'newsletter' end
            as purpose
    from told
),

final as (
    select
        {{ short_hash(
            "source || ':' || source_record || ':' || contact_point || ':email:' || purpose || ':'"
            ~ " || event || ':' || " ~ utc_text('happened_at')
        ) }} as consent_event_id,
        source,
        source_record,
        max(list_id) as list_id,
        contact_point,
        'email' as channel,
        purpose,
        event,
        happened_at,
        max(asked_at) as asked_at,
        bool_or(is_time_known) as is_time_known,
        max(evidence_ip) as evidence_ip,
        max(source_status) as source_status,
        min(load_id) as recorded_load_id,
        min(pulled_at) as recorded_at
    from purposed
    group by source, source_record, contact_point, purpose, event, happened_at
)

select * from final
