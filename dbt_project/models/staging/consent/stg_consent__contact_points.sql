with

contact_points as (
    select * from {{ source('consent', 'contact_points') }}
),

final as (
    select
        channel,
        contact_point,
        subject,
        is_valid
    from contact_points
)

select * from final
