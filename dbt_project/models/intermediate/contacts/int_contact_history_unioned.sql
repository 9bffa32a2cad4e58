with

hubspot_notes as (
    select
        notes.*,
        associations.company_id,
        associations.contact_id,
        associations.deal_id,
        owners.owner_name
    from {{ ref('stg_hubspot__notes') }} as notes
    left join {{ ref('int_hubspot_associations_pivoted') }} as associations
        on notes.note_id = associations.record_id and associations.record_type = 'notes'
    left join {{ ref('stg_hubspot__owners') }} as owners on notes.owner_id = owners.owner_id
),

pipedrive_notes as (
    select
        notes.*,
        users.user_name
    from {{ ref('stg_pipedrive__notes') }} as notes
    left join {{ ref('stg_pipedrive__users') }} as users on notes.owner_id = users.user_id
),

-- What is planned has not happened.
pipedrive_activities as (
    select
        activities.*,
        users.user_name
    from {{ ref('stg_pipedrive__activities') }} as activities
    left join {{ ref('stg_pipedrive__users') }} as users on activities.owner_id = users.user_id
    where activities.is_done
),

final as (
    select
        'hubspot' as source,
        'note:' || note_id as conversation_id,
        'note' as kind,
        coalesce(noted_at, created_at) as happened_at,
        null as subject,
        body,
        company_id as organisation_record_id,
        contact_id as contact_record_id,
        deal_id,
        owner_name as owner,
        updated_at
    from hubspot_notes
    union all
    select
        'pipedrive' as source,
        'note:' || note_id as conversation_id,
        'note' as kind,
        created_at as happened_at,
        null as subject,
        body,
        organization_id as organisation_record_id,
        person_id as contact_record_id,
        deal_id,
        user_name as owner,
        updated_at
    from pipedrive_notes
    union all
    select
        'pipedrive' as source,
        'activity:' || activity_id as conversation_id,
        coalesce(activity_type, 'activity') as kind,
        coalesce(done_at, updated_at) as happened_at,
        subject,
        body,
        organization_id as organisation_record_id,
        person_id as contact_record_id,
        deal_id,
        user_name as owner,
        updated_at
    from pipedrive_activities
)

select * from final
