with

complaints as (
    select * from {{ ref('int_complaints_stacked') }}
),

categories as (
    select
        {{ normalised_text('spelling') }} as spelling,
        category,
        is_complaint
    from {{ ref('complaint_categories') }}
),

priorities as (
    select
        {{ normalised_text('spelling') }} as spelling,
        priority
    from {{ ref('complaint_priorities') }}
),

demands as (
    select
        {{ normalised_text('spelling') }} as spelling,
        demand
    from {{ ref('complaint_demands') }}
),

-- What nobody said the meaning of counts as a complaint: it would be missed otherwise.
translated as (
    select
        complaints.*,
        case when complaints.category is not null then coalesce(categories.category, 'unknown') end
            as known_category,
        case when complaints.priority is not null then coalesce(priorities.priority, 'unknown') end
            as known_priority,
        case when complaints.demand is not null then coalesce(demands.demand, 'unknown') end
            as known_demand
    from complaints
    left join categories on {{ normalised_text('complaints.category') }} = categories.spelling
    left join priorities on {{ normalised_text('complaints.priority') }} = priorities.spelling
    left join demands on {{ normalised_text('complaints.demand') }} = demands.spelling
    where coalesce(categories.is_complaint, true)
),

-- A ticket that was opened again keeps the day it was closed on; it is not solved.
final as (
    select
        source,
        complaint_id,
        customer_number,
        email,
        organisation_record_id,
        contact_record_id,
        subject,
        text,
        known_category as category,
        category as written_category,
        known_priority as priority,
        priority as written_priority,
        known_demand as demand,
        demand as written_demand,
        opened_at,
        case when not is_open then closed_at end as closed_at,
        is_open,
        case
            when not is_open
                then cast(
                    {{ dbt.datediff('opened_at', 'closed_at', 'second') }} / 3600
                    as decimal(18, 2)
                )
        end as hours_to_solve,
        cast(round(satisfaction) as integer) as satisfaction,
        order_reference
    from translated
)

select * from final
