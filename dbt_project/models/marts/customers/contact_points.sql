with

contact_points as (
    select * from {{ ref('stg_matching__contact_points') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

records as (
    select
        'organisation' as record_kind,
        source,
        record_id,
        created_at,
        updated_at
    from {{ ref('int_organisations_unioned') }}
    union all
    select
        'person' as record_kind,
        source,
        record_id,
        created_at,
        updated_at
    from {{ ref('int_contacts_unioned') }}
),

-- A post address has no form of its own here; it is there or not.
final as (
    select
        identities.customer_id,
        case when identities.record_kind = 'person' then identities.entity_id end as person_id,
        contact_points.channel,
        coalesce(contact_points.contact_point, contact_points.value) as contact_point,
        contact_points.source,
        contact_points.record_kind,
        contact_points.record_id,
        contact_points.value as written_as,
        contact_points.channel = 'post' or contact_points.contact_point is not null as is_valid,
        coalesce(contact_points.mailbox_kind = 'role', false) as is_role_mailbox,
        records.created_at as first_seen_at,
        records.updated_at as last_seen_at
    from contact_points
    inner join identities
        on
            contact_points.record_kind = identities.record_kind
            and contact_points.source = identities.source
            and contact_points.record_id = identities.record_id
    left join records
        on
            contact_points.record_kind = records.record_kind
            and contact_points.source = records.source
            and contact_points.record_id = records.record_id
)

select * from final
