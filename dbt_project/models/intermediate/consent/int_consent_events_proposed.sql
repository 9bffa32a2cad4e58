with

events as (
    select * from {{ ref('int_consent_events_unioned') }}
),

declarations as (
    select * from {{ ref('stg_consent_forms__declaration_versions') }}
),

blocks as (
    select * from {{ ref('int_consent_blocks_matched') }}
),

sales as (
    select * from {{ ref('int_consent_sales_dated') }}
),

activities as (
    select * from {{ ref('int_newsletter_activity_unioned') }}
    where action in ('open', 'click')
),

loads as (
    select
        source,
        load_id,
        min(pulled_at) as pulled_at
    from {{ ref('stg_quality__loads') }}
    group by source, load_id
),

texts as (
    select * from {{ ref('int_consent_texts_hashed') }}
),

settings as (
    select * from {{ ref('stg_company__settings') }}
),

collections as (
    select
        told.source,
        told.list_id,
        told.controller,
        told.text_version,
        cast(told.used_from as timestamp with time zone) as used_from,
        cast(told.used_before as timestamp with time zone) as used_before
    from {{ ref('consent_collections') }} as told
    inner join settings on told.company = settings.company
),

-- Which wording the form showed follows from where and when it was sent.
collected as (
    select
        events.*,
        collections.controller,
        collections.text_version
    from events
    left join collections
        on
            events.source = collections.source
            and events.list_id = collections.list_id
            and events.asked_at >= collections.used_from
            and events.asked_at < coalesce(
                collections.used_before, cast('9999-01-01' as timestamp with time zone)
            )
),

-- Mails are opened weekly; the first time in a quarter tells that they are still read.
used as (
    select
        activities.source,
        activities.contact_point,
        date_trunc('quarter', activities.happened_at) as quarter_start,
        min(activities.happened_at) as happened_at,
        min(activities.load_id) as recorded_load_id,
        min(loads.pulled_at) as recorded_at
    from activities
    left join loads
        on
            activities.source = loads.source
            and activities.load_id = loads.load_id
    group by
        activities.source, activities.contact_point, date_trunc('quarter', activities.happened_at)
),

proposed as (
    select
        source,
        source_record,
        channel,
        contact_point,
        controller,
        purpose,
        event,
        happened_at,
        is_time_known,
        text_version,
        cast(null as {{ dbt.type_string() }}) as detail,
        source_status,
        evidence_ip,
        cast(null as {{ dbt.type_string() }}) as document_ref,
        cast(null as {{ dbt.type_string() }}) as collected_by,
        recorded_load_id,
        recorded_at
    from collected
    union all
    select
        'consent_forms' as source,
        declaration_id as source_record,
        channel,
        contact_point,
        controller,
        purpose,
        case when decision = 'granted' then 'granted_offline' else decision end as event,
        -- A refusal of the future is one of today.
        case when decision = 'granted' then signed_at else least(signed_at, pulled_at) end
            as happened_at,
        has_signing_time as is_time_known,
        text_version,
        null as detail,
        decision as source_status,
        null as evidence_ip,
        document_ref,
        collected_by,
        load_id as recorded_load_id,
        pulled_at as recorded_at
    from declarations
    union all
    select
        source,
        source_record,
        channel,
        contact_point,
        null as controller,
        'advertising' as purpose,
        event,
        happened_at,
        happened_at is not null as is_time_known,
        null as text_version,
        detail,
        null as source_status,
        null as evidence_ip,
        null as document_ref,
        null as collected_by,
        recorded_load_id,
        recorded_at
    from blocks
    union all
    select
        source,
        null as source_record,
        'email' as channel,
        contact_point,
        null as controller,
        'newsletter' as purpose,
        'used' as event,
        happened_at,
        true as is_time_known,
        null as text_version,
        null as detail,
        null as source_status,
        null as evidence_ip,
        null as document_ref,
        null as collected_by,
        recorded_load_id,
        recorded_at
    from used
    union all
    select
        source,
        source_record,
        'email' as channel,
        contact_point,
        null as controller,
        'advertising' as purpose,
        event,
        happened_at,
        false as is_time_known,
        null as text_version,
        detail,
        null as source_status,
        null as evidence_ip,
        null as document_ref,
        null as collected_by,
        recorded_load_id,
        recorded_at
    from sales
),

worded as (
    select
        proposed.*,
        texts.text_sha256
    from proposed
    left join texts on proposed.text_version = texts.text_version
),

named as (
    select
        *,
        source || ':' || coalesce(source_record, '') || ':' || coalesce(contact_point, '') || ':'
        || channel || ':' || coalesce(controller, '') || ':' || purpose || ':' || event || ':'
        || coalesce(detail, '') || ':' || coalesce({{ utc_text('happened_at') }}, '') || ':'
        || coalesce(text_version, '') || ':' || coalesce(text_sha256, '') as event_name
    from worded
    where contact_point is not null
),

-- The same event read again from a later load is the one that was known first.
final as (
    select
        {{ text_sha256('event_name') }} as consent_event_id,
        source,
        source_record,
        channel,
        contact_point,
        controller,
        purpose,
        event,
        happened_at,
        text_version,
        text_sha256,
        detail,
        bool_or(is_time_known) as is_time_known,
        max(source_status) as source_status,
        max(evidence_ip) as evidence_ip,
        max(document_ref) as document_ref,
        max(collected_by) as collected_by,
        min(recorded_load_id) as recorded_load_id,
        min(recorded_at) as recorded_at
    from named
    group by
        event_name, source, source_record, channel, contact_point, controller, purpose, event,
        happened_at, text_version, text_sha256, detail
)

select * from final
